// Elements that are no controls: attributes, classes, styles, custom elements.

class Element extends Node {
  constructor(tag) {
    super();
    defineProperty(this, ATTRIBUTES, { value: createObject(null) });
    // Properties of its own, which no name of a form's control comes before.
    hide(this, { localName: tag, nodeType: 1 });
  }

  get nodeName() { return upper(this.localName); }

  get tagName() { return upper(this.localName); }

  get namespaceURI() { return 'http://www.w3.org/1999/xhtml'; }

  getAttribute(name) { return this[ATTRIBUTES][lower(String(name))] ?? null; }

  setAttribute(name, value) { setAttribute(this, name, value); }

  removeAttribute(name) { removeAttribute(this, name); }

  hasAttribute(name) { return lower(String(name)) in this[ATTRIBUTES]; }

  hasAttributes() { return objectKeys(this[ATTRIBUTES]).length > 0; }

  getAttributeNames() { return objectKeys(this[ATTRIBUTES]); }

  getAttributeNS(space, name) { return this.getAttribute(name); }

  setAttributeNS(space, name, value) { setAttribute(this, replace(String(name), /^.*:/, ''), value); }

  getAttributeNode(name) {
    const value = this.getAttribute(name);
    return value === null ? null : { name: lower(String(name)), value, specified: true };
  }

  toggleAttribute(name, force) {
    const on = force === undefined ? !this.hasAttribute(name) : Boolean(force);
    if (on) setAttribute(this, name, this.getAttribute(name) ?? '');
    else removeAttribute(this, name);
    return on;
  }

  get attributes() {
    const list = map(objectKeys(this[ATTRIBUTES]), (name) => ({ name, nodeName: name, value: this[ATTRIBUTES][name], specified: true }));
    each(list, (attribute) => hide(list, { [attribute.name]: attribute }));
    return hide(list, { getNamedItem: (name) => find(list, (one) => one.name === name) || null });
  }

  get classList() { return classListOf(this); }

  set classList(value) { setAttribute(this, 'class', value); }

  get dataset() { return datasetOf(this); }

  get style() { return styleOf(this); }

  set style(text) { setAttribute(this, 'style', text); }

  get innerHTML() { return innerMarkup(this); }

  set innerHTML(markup) {
    const into = this.localName === 'template' ? this.content : this;
    each(slice(into[CHILDREN]), (child) => remove(child));
    parseMarkup(String(markup ?? ''), into);
  }

  get outerHTML() { return markupOf(this); }

  set outerHTML(markup) {
    const fragment = parseMarkup(String(markup), new DocumentFragment());
    insert(this[PARENT], fragment, this);
    remove(this);
  }

  insertAdjacentHTML(where, markup) {
    insertBeside(this, lower(where), parseMarkup(String(markup), new DocumentFragment()));
  }

  insertAdjacentElement(where, element) { insertBeside(this, lower(where), element); return element; }

  insertAdjacentText(where, text) { insertBeside(this, lower(where), new Text(text)); }

  get nextElementSibling() { return elementBeside(this, 1); }

  get previousElementSibling() { return elementBeside(this, -1); }

  matches(selector) { return matchesAny(this, parseSelector(selector)); }

  closest(selector) {
    const groups = parseSelector(selector);
    for (let element = this; element && element.nodeType === 1; element = element[PARENT]) {
      if (matchesAny(element, groups)) return element;
    }
    return null;
  }

  getBoundingClientRect() { return { x: 10, y: 10, top: 10, left: 10, right: 310, bottom: 50, width: 300, height: 40 }; }

  getClientRects() { return [this.getBoundingClientRect()]; }

  attachShadow() {
    const shadow = new DocumentFragment();
    hide(shadow, { host: this });
    hide(this, { shadowRoot: shadow });
    return shadow;
  }

  animate() { return { finished: NativePromise.resolve(), addEventListener() {}, cancel() {}, finish() {} }; }

  scrollIntoView() {}

  scrollTo() {}

  setPointerCapture() {}
}
const BOX = { offsetWidth: 300, offsetHeight: 40, clientWidth: 300, clientHeight: 40, scrollWidth: 300, scrollHeight: 40 };
each(objectKeys(BOX), (name) => {
  defineProperty(Element.prototype, name, { configurable: true, get: () => BOX[name] });
});
hide(Element.prototype, { scrollTop: 0, scrollLeft: 0, offsetTop: 10, offsetLeft: 10, shadowRoot: null });
hide(Element.prototype, {
  webkitMatchesSelector: Element.prototype.matches, msMatchesSelector: Element.prototype.matches,
});
each([Element.prototype], (prototype) => {
  each(objectKeys(queries), (name) => {
    defineProperty(prototype, name, { ...getOwnPropertyDescriptor(queries, name), enumerable: false });
  });
});
reflect(Element.prototype, { id: 'id', className: 'class', slot: 'slot' });

function setAttribute(element, rawName, rawValue) {
  const name = lower(String(rawName));
  const old = element[ATTRIBUTES][name] ?? null;
  const value = String(rawValue);
  element[ATTRIBUTES][name] = value;
  domVersion += 1;
  if (substring(name, 0, 2) === 'on') compileHandler(element, name);
  if (name === 'id' && root && isConnected(element)) nameGlobal(value);
  mutated(element, { type: 'attributes', attributeName: name, oldValue: old });
  if (element.attributeChangedCallback && element.constructor.observedAttributes
    && positionOf(element.constructor.observedAttributes, name) >= 0) {
    guard(element.attributeChangedCallback, element, [name, old, value]);
  }
}

function removeAttribute(element, rawName) {
  const name = lower(String(rawName));
  if (!(name in element[ATTRIBUTES])) return;
  const old = element[ATTRIBUTES][name];
  delete element[ATTRIBUTES][name];
  domVersion += 1;
  if (substring(name, 0, 2) === 'on') element[name] = null;
  mutated(element, { type: 'attributes', attributeName: name, oldValue: old });
}

// `onclick="…"`: its names are looked up in the element, its form and the document.
function compileHandler(element, name) {
  const code = element[ATTRIBUTES][name];
  let handler;
  try {
    handler = new NativeFunction('event', `with(document){with(arguments[1]){with(this){\n${code}\n}}}`);
  } catch (error) {
    fail(error);
    return;
  }
  const target = element.localName === 'body' && hasWindowHandler(name) ? G : element;
  target[name] = function (event) { return apply(handler, element, [event, formScope(element)]); };
}

// The controls of an element's form as names for its handlers.
function formScope(element) {
  const form = isControl(element) ? formOf(element) : null;
  if (!form) return {};
  return new NativeProxy({}, {
    has: (target, name) => typeof name === 'string' && (name in form || namedControl(form, name) !== undefined),
    get: (target, name) => form[name],
  });
}

const hasWindowHandler = (name) => positionOf(words('onload onunload onbeforeunload onmessage onpageshow onerror onhashchange onresize'), name) >= 0;

function elementBeside(element, step) {
  let node = sibling(element, step);
  while (node && node.nodeType !== 1) node = sibling(node, step);
  return node;
}

function insertBeside(element, where, node) {
  if (where === 'beforebegin') insert(element[PARENT], node, element);
  else if (where === 'afterbegin') insert(element, node, element[CHILDREN][0]);
  else if (where === 'beforeend') insert(element, node, null);
  else insert(element[PARENT], node, sibling(element, 1));
}

function classListOf(element) {
  const held = () => words(element[ATTRIBUTES].class || '');
  const put = (names) => setAttribute(element, 'class', join(names, ' '));
  const list = {
    add(...names) { put([...held(), ...filter(names, (name) => positionOf(held(), name) < 0)]); },
    remove(...names) { put(filter(held(), (name) => positionOf(names, name) < 0)); },
    contains: (name) => positionOf(held(), String(name)) >= 0,
    toggle(name, force) {
      const on = force === undefined ? !list.contains(name) : Boolean(force);
      if (on) list.add(name);
      else list.remove(name);
      return on;
    },
    replace(old, fresh) {
      if (!list.contains(old)) return false;
      put(map(held(), (name) => (name === old ? fresh : name)));
      return true;
    },
    item: (index) => held()[index] ?? null,
    forEach: (visitName) => each(held(), visitName),
    toString: () => element[ATTRIBUTES].class || '',
    get length() { return held().length; },
    get value() { return element[ATTRIBUTES].class || ''; },
    set value(text) { setAttribute(element, 'class', text); },
    [Symbol.iterator]: () => iterate(held()),
  };
  return list;
}

function datasetOf(element) {
  const attributeOf = (name) => `data-${replace(String(name), /[A-Z]/g, (letter) => `-${lower(letter)}`)}`;
  const names = () => map(
    filter(objectKeys(element[ATTRIBUTES]), (name) => substring(name, 0, 5) === 'data-'),
    (name) => replace(substring(name, 5), /-([a-z])/g, (found, letter) => upper(letter)),
  );
  return new NativeProxy({}, {
    get: (target, name) => (typeof name === 'string' ? element[ATTRIBUTES][attributeOf(name)] : undefined),
    set(target, name, value) { setAttribute(element, attributeOf(name), value); return true; },
    has: (target, name) => typeof name === 'string' && attributeOf(name) in element[ATTRIBUTES],
    deleteProperty(target, name) { removeAttribute(element, attributeOf(name)); return true; },
    ownKeys: names,
    getOwnPropertyDescriptor: (target, name) => (typeof name === 'string' && attributeOf(name) in element[ATTRIBUTES]
      ? { value: element[ATTRIBUTES][attributeOf(name)], enumerable: true, configurable: true, writable: true }
      : undefined),
  });
}

function styleOf(element) {
  if (!element[STYLE]) {
    const style = {};
    each(split(element[ATTRIBUTES].style || '', ';'), (rule) => {
      const at = textIndex(rule, ':');
      const name = replace(trim(substring(rule, 0, Math.max(at, 0))), /-([a-z])/g, (found, letter) => upper(letter));
      if (name) style[name] = trim(substring(rule, at + 1));
    });
    hide(style, {
      cssText: element[ATTRIBUTES].style || '',
      setProperty(name, value) { style[name] = value; },
      removeProperty(name) { delete style[name]; },
      getPropertyValue: (name) => style[name] || '',
    });
    defineProperty(element, STYLE, { value: style });
  }
  return element[STYLE];
}

// Custom elements. An upgrade runs the constructor on the element that is there.
const definitions = new NativeMap();
const upgrading = [];

class HTMLElement extends Element {
  constructor(tag) {
    if (upgrading.length) {
      const element = upgrading[upgrading.length - 1];
      setPrototypeOf(element, new.target.prototype);
      // A derived constructor takes what its parent returns for `this`.
      return element; // eslint-disable-line no-constructor-return
    }
    super(tag);
  }

  get innerText() { return textOf(this); }

  set innerText(text) { this.textContent = text; }

  get outerText() { return textOf(this); }

  get offsetParent() { return this.parentElement; }

  get isContentEditable() { return false; }

  get tabIndex() { return Number(this[ATTRIBUTES].tabindex ?? (isControl(this) || this.localName === 'a' ? 0 : -1)); }

  set tabIndex(value) { setAttribute(this, 'tabindex', value); }

  click() { if (!this.disabled) click(this); }

  focus() { focused = this; dispatch(this, trusted('focus')); }

  blur() { focused = null; dispatch(this, trusted('blur')); }
}
let focused = null;
reflect(HTMLElement.prototype, { title: 'title', lang: 'lang', dir: 'dir', accessKey: 'accesskey' });
reflectFlags(HTMLElement.prototype, { hidden: 'hidden' });

function upgrade(element) {
  const definition = definitions.get(element.localName);
  if (!definition || element instanceof definition) return;
  push(upgrading, element);
  try {
    guard(() => new definition()); // eslint-disable-line new-cap
  } finally {
    upgrading.length -= 1;
  }
  each(definition.observedAttributes || [], (name) => {
    if (name in element[ATTRIBUTES] && element.attributeChangedCallback) {
      guard(element.attributeChangedCallback, element, [name, null, element[ATTRIBUTES][name]]);
    }
  });
  if (isConnected(element) && element.connectedCallback) guard(element.connectedCallback, element);
}

const customElements = {
  define(name, constructor) {
    definitions.set(name, constructor);
    each(descendants(root, (element) => element.localName === name), upgrade);
  },
  get: (name) => definitions.get(name),
  whenDefined: (name) => (definitions.has(name) ? NativePromise.resolve(definitions.get(name)) : new NativePromise(() => {})),
  upgrade: (node) => each(descendants(node, () => true), upgrade),
};

// What an element of a tag is. A tag that is missing here is a plain HTMLElement.
const interfaces = createObject(null);

function defineInterface(name, tags, constructor) {
  each(words(tags), (tag) => { interfaces[tag] = constructor; });
  hide(G, { [name]: constructor });
}

function makeElement(rawTag) {
  const tag = lower(String(rawTag));
  const element = new (interfaces[tag] || HTMLElement)(tag);
  if (definitions.has(tag)) upgrade(element);
  return element;
}
