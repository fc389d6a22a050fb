// Built-in functions, taken before a script of the page can replace them, and the state
// that all files share. The files are joined in the order of engine.py, in one scope.

const { apply, construct, defineProperty, get: getProperty, getOwnPropertyDescriptor, setPrototypeOf } = Reflect;
const objectKeys = Object.keys;
const assign = Object.assign;
const createObject = Object.create;
const isArray = Array.isArray;
const parseJSON = JSON.parse;
const stringifyJSON = JSON.stringify;
const NativeDate = Date;
const NativeFunction = Function;
const NativeMap = Map;
const NativePromise = Promise;
const NativeProxy = Proxy;
const encodePercent = encodeURIComponent;
const decodePercent = decodeURIComponent;
const globalEval = eval;

// uncurried(method)(self, …) is self.method(…), whatever the page does to `method`.
const uncurried = (method) => Function.prototype.bind.call(Function.prototype.call, method);
const push = uncurried(Array.prototype.push);
const map = uncurried(Array.prototype.map);
const filter = uncurried(Array.prototype.filter);
const find = uncurried(Array.prototype.find);
const findIndex = uncurried(Array.prototype.findIndex);
const some = uncurried(Array.prototype.some);
const every = uncurried(Array.prototype.every);
const sort = uncurried(Array.prototype.sort);
const splice = uncurried(Array.prototype.splice);
const slice = uncurried(Array.prototype.slice);
const join = uncurried(Array.prototype.join);
const positionOf = uncurried(Array.prototype.indexOf);
const iterate = uncurried(Array.prototype[Symbol.iterator]);
const lower = uncurried(String.prototype.toLowerCase);
const upper = uncurried(String.prototype.toUpperCase);
const trim = uncurried(String.prototype.trim);
const split = uncurried(String.prototype.split);
const replace = uncurried(String.prototype.replace);
const substring = uncurried(String.prototype.slice);
const codeAt = uncurried(String.prototype.charCodeAt);
const textIndex = uncurried(String.prototype.indexOf);
const execRegExp = uncurried(RegExp.prototype.exec);
const then = uncurried(NativePromise.prototype.then);

const matches = (pattern, text) => execRegExp(pattern, text) !== null;
const includes = (text, part) => textIndex(text, part) >= 0;
const words = (text) => filter(split(trim(String(text)), /\s+/), (word) => word !== '');

function each(list, visit) {
  for (let i = 0; i < list.length; i++) visit(list[i], i);
}

// Define properties that a `for … in` of the page does not meet.
function hide(object, properties) {
  each(objectKeys(properties), (name) => {
    const descriptor = getOwnPropertyDescriptor(properties, name);
    descriptor.enumerable = false;
    defineProperty(object, name, descriptor);
  });
  return object;
}

// A property that reflects an attribute of the same or another name.
function reflect(prototype, names, initial = '') {
  each(objectKeys(names), (property) => {
    const attribute = names[property];
    defineProperty(prototype, property, {
      configurable: true,
      enumerable: true,
      get() { return this[ATTRIBUTES][attribute] ?? initial; },
      set(value) { setAttribute(this, attribute, value); },
    });
  });
}

function reflectFlags(prototype, names) {
  each(objectKeys(names), (property) => {
    const attribute = names[property];
    defineProperty(prototype, property, {
      configurable: true,
      enumerable: true,
      get() { return attribute in this[ATTRIBUTES]; },
      set(on) {
        if (on) setAttribute(this, attribute, '');
        else removeAttribute(this, attribute);
      },
    });
  });
}

// JSON without a look at `toJSON`, which old libraries put on arrays.
function toJSON(value) {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return stringifyJSON(value);
  if (typeof value === 'number') return value === value && value - value === 0 ? `${value}` : 'null';
  if (typeof value === 'boolean') return `${value}`;
  if (isArray(value)) return `[${join(map(value, toJSON), ',')}]`;
  const pairs = map(objectKeys(value), (key) => `${stringifyJSON(key)}:${toJSON(value[key])}`);
  return `{${join(pairs, ',')}}`;
}

const PARENT = Symbol('parent');
const CHILDREN = Symbol('children');
const ATTRIBUTES = Symbol('attributes');
const LISTENERS = Symbol('listeners');
const DATA = Symbol('data');
const OWNER = Symbol('form owner');
const VALUE = Symbol('value');
const CHECKED = Symbol('checked');
const SELECTED = Symbol('selected');
const STYLE = Symbol('style');
const RUN = Symbol('run');
const INERT = Symbol('inert');
const PRESSED = Symbol('pressed');
const WRITTEN = Symbol('last node that a script wrote');
const WAS_DISABLED = Symbol('was disabled');

// What one visit knows. `token` is empty until the captcha counts as solved.
const visit = {
  token: '',
  respKey: '',
  phase: 'load',
  now: 0,
  sent: [],
  navigations: [],
  errors: [],
  lacking: [],
  cookiesSet: [],
  cookies: createObject(null),
  missingScripts: [],
  integrity: [],
};
const EPOCH = 1700000000000;
let pageURL = null;

function note(list, text) {
  if (list.length < 50 && positionOf(list, text) < 0) push(list, text);
}

function fail(error) {
  let text;
  try {
    text = error && error.message !== undefined ? `${error.name}: ${error.message}` : `${error}`;
  } catch {
    text = 'an error that cannot be shown';
  }
  // A whole token fits, so that the reader of this finds it.
  note(visit.errors, substring(text, 0, 10000));
}

// The platform has this, and this runtime has not: the reading must say so.
function lacks(what) {
  note(visit.lacking, what);
  const error = new TypeError(`${what} is not supported`);
  throw error;
}

function guard(call, self, args) {
  try {
    return apply(call, self, args || []);
  } catch (error) {
    fail(error);
    return undefined;
  }
}

hide(G, { self: G, window: G, top: G, parent: G, frames: G });
