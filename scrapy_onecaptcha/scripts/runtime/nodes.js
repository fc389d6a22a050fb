// Nodes, their order, and lists of them.

let root = null; // the document
let domVersion = 0; // grows with each change, so that indexes know when they are old

class Node extends EventTarget {
  constructor() {
    super();
    defineProperty(this, PARENT, { value: null, writable: true });
    defineProperty(this, CHILDREN, { value: [], writable: true });
  }

  get ownerDocument() { return this === root ? null : root; }

  get parentNode() { return this[PARENT]; }

  get parentElement() { const parent = this[PARENT]; return parent && parent.nodeType === 1 ? parent : null; }

  get childNodes() { return collection(this[CHILDREN]); }

  get firstChild() { return this[CHILDREN][0] || null; }

  get lastChild() { return this[CHILDREN][this[CHILDREN].length - 1] || null; }

  get nextSibling() { return sibling(this, 1); }

  get previousSibling() { return sibling(this, -1); }

  get isConnected() { return isConnected(this); }

  get baseURI() { return baseURL(); }

  get nodeValue() { return null; }

  get textContent() { return textOf(this); }

  set textContent(text) {
    each(slice(this[CHILDREN]), (child) => remove(child));
    if (text !== '' && text !== null && text !== undefined) insert(this, new Text(text), null);
  }

  hasChildNodes() { return this[CHILDREN].length > 0; }

  getRootNode() { let node = this; while (node[PARENT]) node = node[PARENT]; return node; }

  contains(other) {
    for (let node = other; node; node = node[PARENT]) if (node === this) return true;
    return false;
  }

  compareDocumentPosition(other) { return comparePosition(this, other); }

  isSameNode(other) { return this === other; }

  isEqualNode(other) { return this === other || (Boolean(other) && markupOf(this) === markupOf(other)); }

  insertBefore(child, before) { return insert(this, child, before); }

  appendChild(child) { return insert(this, child, null); }

  removeChild(child) {
    if (!child || child[PARENT] !== this) throw new DOMException('The node is not a child', 'NotFoundError');
    return remove(child);
  }

  replaceChild(fresh, old) { insert(this, fresh, old); return remove(old); }

  append(...nodes) { each(nodes, (node) => insert(this, asNode(node), null)); }

  prepend(...nodes) { const first = this[CHILDREN][0]; each(nodes, (node) => insert(this, asNode(node), first)); }

  before(...nodes) { each(nodes, (node) => insert(this[PARENT], asNode(node), this)); }

  after(...nodes) { const next = sibling(this, 1); each(nodes, (node) => insert(this[PARENT], asNode(node), next)); }

  replaceWith(...nodes) { each(nodes, (node) => insert(this[PARENT], asNode(node), this)); remove(this); }

  replaceChildren(...nodes) {
    each(slice(this[CHILDREN]), (child) => remove(child));
    each(nodes, (node) => insert(this, asNode(node), null));
  }

  remove() { if (this[PARENT]) remove(this); }

  normalize() {}

  cloneNode(deep) { return clone(this, deep); }
}
const NODE_TYPES = { ELEMENT_NODE: 1, TEXT_NODE: 3, COMMENT_NODE: 8, DOCUMENT_NODE: 9, DOCUMENT_FRAGMENT_NODE: 11 };
hide(Node, NODE_TYPES);
hide(Node.prototype, NODE_TYPES);

class CharacterData extends Node {
  constructor(data) {
    super();
    defineProperty(this, DATA, { value: String(data ?? ''), writable: true });
  }

  get data() { return this[DATA]; }

  set data(text) { this[DATA] = String(text); }

  get length() { return this[DATA].length; }

  get nodeValue() { return this[DATA]; }

  set nodeValue(text) { this[DATA] = String(text); }

  get textContent() { return this[DATA]; }

  set textContent(text) { this[DATA] = String(text ?? ''); }
}

class Text extends CharacterData {
  get nodeType() { return 3; }

  get nodeName() { return '#text'; }
}

class Comment extends CharacterData {
  get nodeType() { return 8; }

  get nodeName() { return '#comment'; }
}

class DocumentFragment extends Node {
  get nodeType() { return 11; }

  get nodeName() { return '#document-fragment'; }
}

const asNode = (value) => (value instanceof Node ? value : new Text(value));

function textOf(node) {
  if (node.nodeType === 3) return node[DATA];
  if (node.nodeType === 8) return '';
  return join(map(node[CHILDREN], textOf), '');
}

function sibling(node, step) {
  const parent = node[PARENT];
  return (parent && parent[CHILDREN][positionOf(parent[CHILDREN], node) + step]) || null;
}

function isConnected(node) {
  let top = node;
  while (top[PARENT]) top = top[PARENT];
  return top === root;
}

function pathOf(node) {
  const path = [];
  for (let at = node; at[PARENT]; at = at[PARENT]) splice(path, 0, 0, positionOf(at[PARENT][CHILDREN], at));
  return path;
}

function comparePosition(node, other) {
  if (node === other) return 0;
  if (node.contains(other)) return 20;
  if (other.contains(node)) return 10;
  const mine = pathOf(node);
  const theirs = pathOf(other);
  for (let i = 0; i < mine.length && i < theirs.length; i++) {
    if (mine[i] !== theirs[i]) return mine[i] < theirs[i] ? 4 : 2;
  }
  return 1;
}

function insert(parent, child, before) {
  if (!(child instanceof Node)) throw new TypeError("Failed to execute 'insertBefore': not a Node");
  if (child.nodeType === 11) {
    each(slice(child[CHILDREN]), (one) => insert(parent, one, before));
    return child;
  }
  if (child === parent || child.contains(parent)) throw new DOMException('A node cannot hold itself', 'HierarchyRequestError');
  if (before === child) return child;
  if (child[PARENT]) remove(child);
  const at = before ? positionOf(parent[CHILDREN], before) : -1;
  if (before && at < 0) throw new DOMException('The node is not a child', 'NotFoundError');
  if (at < 0) push(parent[CHILDREN], child);
  else splice(parent[CHILDREN], at, 0, child);
  child[PARENT] = parent;
  domVersion += 1;
  mutated(parent, { type: 'childList', addedNodes: [child], removedNodes: [] });
  if (isConnected(child)) connected(child);
  return child;
}

function remove(child) {
  const parent = child[PARENT];
  const at = parent ? positionOf(parent[CHILDREN], child) : -1;
  if (at < 0) return child;
  splice(parent[CHILDREN], at, 1);
  child[PARENT] = null;
  domVersion += 1;
  mutated(parent, { type: 'childList', addedNodes: [], removedNodes: [child] });
  return child;
}

function clone(node, deep) {
  let copy;
  if (node.nodeType === 1) {
    copy = makeElement(node.localName);
    each(objectKeys(node[ATTRIBUTES]), (name) => { setAttribute(copy, name, node[ATTRIBUTES][name]); });
  } else if (node.nodeType === 3) copy = new Text(node[DATA]);
  else if (node.nodeType === 8) copy = new Comment(node[DATA]);
  else copy = new DocumentFragment();
  if (deep) each(node[CHILDREN], (child) => { insert(copy, clone(child, true), null); });
  return copy;
}

// The first element below `top`, in document order, for which `test` holds.
function firstDescendant(top, test) {
  const children = top[CHILDREN];
  for (let i = 0; i < children.length; i++) {
    const child = children[i];
    if (child.nodeType !== 1) continue;
    if (test(child)) return child;
    const below = firstDescendant(child, test);
    if (below) return below;
  }
  return null;
}

function descendants(top, test) {
  const found = [];
  firstDescendant(top, (element) => { if (test(element)) push(found, element); return false; });
  return found;
}

// A list of nodes: an array with `item`, and with the names of its elements.
class Collection extends Array {
  static get [Symbol.species]() { return Array; }

  item(index) { return this[index] || null; }

  namedItem(name) { return namedIn(this, name) || null; }
}

const namedIn = (list, name) =>
  find(list, (node) => node[ATTRIBUTES] && (node[ATTRIBUTES].id === name || node[ATTRIBUTES].name === name));

setPrototypeOf(Collection.prototype, new NativeProxy(Array.prototype, {
  get(target, key, list) {
    if (typeof key !== 'string' || key in target) return target[key];
    return isArray(list) ? namedIn(list, key) : undefined;
  },
}));

function collection(nodes) {
  const list = new Collection();
  each(nodes, (node, i) => { list[i] = node; });
  return list;
}

// Mutation observers are told in a microtask, as in a browser.
const observers = [];

function mutated(target, record) {
  each(observers, (observer) => {
    const watched = some(observer.targets, ({ node, options }) =>
      (record.type === 'attributes' ? options.attributes || options.attributeFilter : options[record.type])
      && (node === target || (options.subtree && node.contains(target))));
    if (!watched) return;
    push(observer.records, { target, ...record });
    if (observer.records.length > 1) return;
    then(NativePromise.resolve(), () => {
      const records = splice(observer.records, 0, observer.records.length);
      if (records.length) guard(observer.callback, observer.self, [records, observer.self]);
    });
  });
}

class MutationObserver {
  constructor(callback) { this[DATA] = { callback, self: this, targets: [], records: [] }; }

  observe(node, options) {
    if (positionOf(observers, this[DATA]) < 0) push(observers, this[DATA]);
    push(this[DATA].targets, { node, options: options || {} });
  }

  disconnect() { this[DATA].targets = []; this[DATA].records = []; }

  takeRecords() { return splice(this[DATA].records, 0, this[DATA].records.length); }
}

class DOMException extends Error {
  constructor(message, name) { super(message); hide(this, { name: name || 'Error' }); }
}

hide(G, {
  Node, CharacterData, Text, Comment, DocumentFragment, MutationObserver, DOMException,
  NodeList: Collection, HTMLCollection: Collection,
});
