// The document.

let readyState = 'loading';
let currentScript = null;
let ids = null; // elements by id, and the version of the page that they belong to

function elementById(id) {
  if (!ids || ids.version !== domVersion) {
    ids = { version: domVersion, elements: new NativeMap() };
    firstDescendant(root, (element) => {
      const held = element[ATTRIBUTES].id;
      if (held !== undefined && !ids.elements.has(held)) ids.elements.set(held, element);
      return false;
    });
  }
  return ids.elements.get(id) || null;
}

class Document extends Node {
  get nodeType() { return 9; }

  get nodeName() { return '#document'; }

  get documentElement() { return find(this[CHILDREN], (child) => child.nodeType === 1) || null; }

  get body() { return firstDescendant(this, (element) => element.localName === 'body'); }

  get head() { return firstDescendant(this, (element) => element.localName === 'head'); }

  get doctype() { return { name: 'html', nodeType: 10, publicId: '', systemId: '' }; }

  getElementById(id) {
    return this === root ? elementById(String(id)) : firstDescendant(this, (element) => element[ATTRIBUTES].id === String(id));
  }

  getElementsByName(name) { return collection(descendants(this, (element) => element[ATTRIBUTES].name === String(name))); }

  createElement(tag) { return makeElement(tag); }

  createElementNS(space, tag) { return makeElement(tag); }

  createTextNode(text) { return new Text(text); }

  createComment(text) { return new Comment(text); }

  createDocumentFragment() { return new DocumentFragment(); }

  createEvent() { return new G.CustomEvent(''); }

  createAttribute(name) { return { name, value: '' }; }

  createRange() {
    return {
      selectNode() {}, selectNodeContents() {}, setStart() {}, setEnd() {}, collapse() {}, deleteContents() {},
      createContextualFragment(markup) {
        const fragment = parseMarkup(String(markup), new DocumentFragment());
        each(descendants(fragment, isScript), (script) => { script[INERT] = false; });
        return fragment;
      },
    };
  }

  createTreeWalker(top, what = 0xffffffff) {
    const nodes = [];
    const collect = (node) => each(node[CHILDREN], (child) => {
      if (what & (1 << (child.nodeType - 1))) push(nodes, child);
      collect(child);
    });
    collect(top);
    let at = -1;
    return { root: top, currentNode: top, nextNode() { at += 1; this.currentNode = nodes[at] || this.currentNode; return nodes[at] || null; } };
  }

  importNode(node, deep) { return clone(node, deep); }

  adoptNode(node) { return remove(node); }

  get forms() { return this.getElementsByTagName('form'); }

  get scripts() { return this.getElementsByTagName('script'); }

  get images() { return this.getElementsByTagName('img'); }

  get links() { return this.querySelectorAll('a[href], area[href]'); }

  get styleSheets() { return []; }

  get all() { return this.getElementsByTagName('*'); }

  get title() { const title = firstDescendant(this, (element) => element.localName === 'title'); return title ? trim(textOf(title)) : ''; }

  set title(text) { const title = firstDescendant(this, (element) => element.localName === 'title'); if (title) title.textContent = text; }

  // Each walk up the tree asks for it: it must not be looked for among named elements.
  get localName() { return undefined; }

  get defaultView() { return this === root ? G : null; }

  get location() { return location; }

  set location(address) { navigate(address, 'location'); }

  get URL() { return pageURL.href; }

  get documentURI() { return pageURL.href; }

  get domain() { return pageURL.hostname; }

  set domain(name) {}

  get referrer() { return ''; }

  get lastModified() { return '11/14/2023 22:13:20'; }

  get readyState() { return readyState; }

  get hidden() { return false; }

  get visibilityState() { return 'visible'; }

  get characterSet() { return visit.charset; }

  get charset() { return visit.charset; }

  get inputEncoding() { return visit.charset; }

  get contentType() { return 'text/html'; }

  get compatMode() { return 'CSS1Compat'; }

  get currentScript() { return currentScript; }

  get activeElement() { return focused || this.body; }

  get fonts() { return { ready: NativePromise.resolve(), load: () => NativePromise.resolve([]) }; }

  get implementation() { return { createHTMLDocument: emptyDocument, hasFeature: () => true }; }

  get cookie() { return join(map(objectKeys(visit.cookies), (name) => `${name}=${visit.cookies[name]}`), '; '); }

  set cookie(text) { setCookie(String(text)); }

  hasFocus() { return true; }

  execCommand() { return false; }

  elementFromPoint() { return null; }

  open() { return this; }

  close() {}

  write(...texts) { writeMarkup(join(texts, '')); }

  writeln(...texts) { writeMarkup(`${join(texts, '')}\n`); }
}
each(objectKeys(queries), (name) => {
  defineProperty(Document.prototype, name, { ...getOwnPropertyDescriptor(queries, name), enumerable: false });
});

// `document.gate` is the form, frame or image of that name.
setPrototypeOf(Document.prototype, new NativeProxy(Node.prototype, {
  get(target, key, self) {
    if (typeof key !== 'string' || key in target || self !== root) return getProperty(target, key, self);
    return namedInDocument(key);
  },
  has: (target, key) => key in target || (typeof key === 'string' && root !== null && namedInDocument(key) !== undefined),
}));

function namedInDocument(name) {
  return firstDescendant(root, (element) => (
    matches(/^(?:form|img|iframe|embed|object)$/, element.localName) && element[ATTRIBUTES].name === name)
    || (matches(/^(?:img|object)$/, element.localName) && element[ATTRIBUTES].id === name)) || undefined;
}

function emptyDocument(title) {
  const fresh = new Document();
  const html = makeElement('html');
  insert(fresh, html, null);
  const head = makeElement('head');
  insert(html, head, null);
  insert(html, makeElement('body'), null);
  if (typeof title === 'string') insert(head, parseMarkup(`<title>${escapeText(title)}</title>`, new DocumentFragment()), null);
  return fresh;
}

// document.write: into the page behind the script that writes, else at its end.
function writeMarkup(markup) {
  const fragment = parseMarkup(markup, new DocumentFragment());
  each(descendants(fragment, isScript), (script) => { script[INERT] = false; });
  const at = currentScript && currentScript[PARENT] ? currentScript : null;
  const parent = at ? at[PARENT] : root.body || root.documentElement;
  const last = fragment[CHILDREN][fragment[CHILDREN].length - 1];
  const after = at && (at[WRITTEN] && at[WRITTEN][PARENT] === parent ? at[WRITTEN] : at);
  insert(parent, fragment, after && sibling(after, 1));
  if (at && last) at[WRITTEN] = last;
}

function setCookie(text) {
  const found = execRegExp(/^\s*([^=;]*?)\s*=\s*([^;]*)/, text);
  const name = found ? found[1] : '';
  const value = trim(found ? found[2] : split(text, ';')[0]);
  const age = execRegExp(/;\s*max-age\s*=\s*(-?\d+)/i, text);
  const expires = execRegExp(/;\s*expires\s*=\s*([^;]+)/i, text);
  const gone = age ? Number(age[1]) <= 0 : Boolean(expires) && NativeDate.parse(expires[1]) <= EPOCH;
  if (gone) delete visit.cookies[name];
  else visit.cookies[name] = value;
  if (visit.cookiesSet.length < 50) push(visit.cookiesSet, { name, value, text, gone });
}

// `<form id=f>` is the variable `f`, unless something else has that name.
function nameGlobal(name) {
  if (!matches(/^[A-Za-z_$][\w$-]*$/, name) || name in G) return;
  defineProperty(G, name, {
    configurable: true,
    get: () => elementById(name) || firstDescendant(root, (element) => element[ATTRIBUTES].name === name) || undefined,
    set(value) { defineProperty(G, name, { value, writable: true, configurable: true, enumerable: true }); },
  });
}

// What happens when a node comes into the page.
function connected(node) {
  if (node.nodeType !== 1) return;
  each([node, ...descendants(node, () => true)], (element) => {
    if ('id' in element[ATTRIBUTES]) nameGlobal(element[ATTRIBUTES].id);
    if (definitions.size && element.connectedCallback) guard(element.connectedCallback, element);
    if (isScript(element) && !element[INERT]) prepareScript(element, false);
  });
}

root = new Document();
hide(G, { Document, HTMLDocument: Document });
defineProperty(G, 'document', { value: root, enumerable: true });
