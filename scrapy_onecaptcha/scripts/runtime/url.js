// URL and URLSearchParams.

const PAIRS = Symbol('pairs');
const PARTS = Symbol('parts');
const CHANGED = Symbol('changed');

function encodeForm(text) {
  const escaped = replace(encodePercent(wellFormed(text)), /[!'()~]/g, (char) =>
    `%${upper(codeAt(char, 0).toString(16))}`);
  return replace(escaped, /%20/g, '+');
}

// encodeURIComponent throws at half of a surrogate pair; a form sends U+FFFD.
function wellFormed(text) {
  return replace(String(text), /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}

function decodeForm(text) {
  const spaced = replace(text, /\+/g, ' ');
  try {
    return decodePercent(spaced);
  } catch {
    return spaced;
  }
}

function parseQuery(text) {
  const pairs = [];
  each(split(text, '&'), (part) => {
    if (!part) return;
    const at = textIndex(part, '=');
    const name = at < 0 ? part : substring(part, 0, at);
    push(pairs, [decodeForm(name), at < 0 ? '' : decodeForm(substring(part, at + 1))]);
  });
  return pairs;
}

const formatQuery = (pairs) =>
  join(map(pairs, (pair) => `${encodeForm(pair[0])}=${encodeForm(pair[1])}`), '&');

function pairsOf(init) {
  if (init === null || init === undefined) return [];
  if (typeof init === 'object' || typeof init === 'function') {
    if (init[PAIRS]) return map(init[PAIRS], (pair) => slice(pair));
    const pairs = [];
    if (typeof init[Symbol.iterator] === 'function') {
      for (const pair of init) push(pairs, [String(pair[0]), String(pair[1])]);
    } else {
      each(objectKeys(init), (key) => push(pairs, [key, String(init[key])]));
    }
    return pairs;
  }
  return parseQuery(replace(String(init), /^\?/, ''));
}

// What URLSearchParams and FormData have in common: a list of pairs.
class Pairs {
  constructor(pairs) {
    this[PAIRS] = pairs;
    this[CHANGED] = null;
  }

  get(name) {
    const found = find(this[PAIRS], (pair) => pair[0] === String(name));
    return found ? found[1] : null;
  }

  getAll(name) {
    return map(filter(this[PAIRS], (pair) => pair[0] === String(name)), (pair) => pair[1]);
  }

  has(name) { return some(this[PAIRS], (pair) => pair[0] === String(name)); }

  append(name, value) {
    push(this[PAIRS], [String(name), entryValue(value)]);
    changed(this);
  }

  set(name, value) {
    const key = String(name);
    const first = findIndex(this[PAIRS], (pair) => pair[0] === key);
    if (first < 0) push(this[PAIRS], [key, entryValue(value)]);
    else {
      this[PAIRS][first] = [key, entryValue(value)];
      this[PAIRS] = filter(this[PAIRS], (pair, i) => i <= first || pair[0] !== key);
    }
    changed(this);
  }

  delete(name) {
    this[PAIRS] = filter(this[PAIRS], (pair) => pair[0] !== String(name));
    changed(this);
  }

  forEach(visitPair, self) {
    each(slice(this[PAIRS]), (pair) => apply(visitPair, self, [pair[1], pair[0], this]));
  }

  keys() { return iterate(map(this[PAIRS], (pair) => pair[0])); }

  values() { return iterate(map(this[PAIRS], (pair) => pair[1])); }

  entries() { return iterate(map(this[PAIRS], (pair) => slice(pair))); }

  [Symbol.iterator]() { return iterate(map(this[PAIRS], (pair) => slice(pair))); }
}

function changed(pairs) {
  if (pairs[CHANGED]) pairs[CHANGED]();
}

function entryValue(value) {
  if (value instanceof Blob) lacks('a file in a form');
  return String(value);
}

class URLSearchParams extends Pairs {
  constructor(init) { super(pairsOf(init)); }

  get size() { return this[PAIRS].length; }

  sort() {
    sort(this[PAIRS], (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    changed(this);
  }

  toString() { return formatQuery(this[PAIRS]); }
}

const URL_PARTS = /^([a-z][a-z0-9+.-]*:)?(?:[\/\\]{2}([^\/\\?#]*))?([^?#]*)(\?[^#]*)?(#.*)?$/i;
const SPECIAL = /^(?:https?|wss?|ftp|file):$/;
const DEFAULT_PORTS = { __proto__: null, 'https:': /:443$/, 'wss:': /:443$/, 'http:': /:80$/, 'ws:': /:80$/ };

function withoutDots(path) {
  const kept = [];
  const segments = split(path, '/');
  each(segments, (segment, i) => {
    const last = i === segments.length - 1;
    if (matches(/^(?:\.|%2e){2}$/i, segment)) {
      if (kept.length > 1) kept.length -= 1;
      if (last) push(kept, '');
    } else if (matches(/^(?:\.|%2e)$/i, segment)) {
      if (last) push(kept, '');
    } else push(kept, segment);
  });
  return join(kept, '/');
}

const escapePart = (text, characters) =>
  replace(wellFormed(text), characters, (char) =>
    (char === "'" ? '%27' : encodePercent(char)));

// Half of a surrogate pair never meets the set alone: `u` takes the pair as one.
const escapePath = (text) => escapePart(text, /[\s"<>`{}^\u0080-\u{10ffff}]/gu);
const escapeUser = (text) => escapePart(String(text), /[\s"<>`{}^|\/:;=@?#[\]\\\u0080-\u{10ffff}]/gu);
const escapeQuery = (text) => escapePart(text, /[\s"<>'\u0080-\u{10ffff}]/gu);

function hostOf(text, protocol) {
  const host = lower(text);
  if (matches(/[^\x21-\x7e]/, host)) lacks('a host outside ASCII');
  if (!host && protocol !== 'file:') throw new TypeError('Invalid URL');
  if (matches(/[<>^|\\ %]/, host)) throw new TypeError('Invalid URL');
  return DEFAULT_PORTS[protocol] ? replace(host, DEFAULT_PORTS[protocol], '') : host;
}

// The user name and password of "user:password@host", and the host.
function splitUser(text) {
  const [, user, host] = execRegExp(/^(?:([^]*)@)?([^]*)$/, text);
  const [, username, password] = execRegExp(/^([^:]*):?([^]*)$/, user || '');
  return { host, username: escapeUser(username), password: escapeUser(password) };
}

// Return the parts of an address, or throw as `new URL` does.
function resolveURL(text, base) {
  const cleaned = replace(replace(String(text), /^[\0-\x20]+|[\0-\x20]+$/g, ''), /[\n\r\t]/g, '');
  const found = execRegExp(URL_PARTS, cleaned);
  if (!found) throw new TypeError('Invalid URL');
  let protocol = found[1] ? lower(found[1]) : '';
  if (protocol && !matches(SPECIAL, protocol)) {
    const path = (found[2] === undefined ? '' : `//${found[2]}`) + found[3];
    return { protocol, host: '', username: '', password: '', pathname: path, search: found[4] || '', hash: found[5] || '', opaque: true };
  }
  // "https:path" is relative to a base of the same scheme.
  const fallback = base && !base.opaque && (!protocol || protocol === base.protocol) ? base : null;
  protocol = protocol || (fallback ? fallback.protocol : '');
  if (!protocol) throw new TypeError(`Invalid URL: ${text}`);
  const path = replace(found[3], /\\/g, '/');
  let host, username, password, pathname, search;
  if (found[2] !== undefined) {
    ({ host, username, password } = splitUser(found[2]));
    host = hostOf(host, protocol);
    pathname = withoutDots(path || '/');
    search = found[4] || '';
  } else {
    if (!fallback) throw new TypeError(`Invalid URL: ${text}`);
    ({ host, username, password } = fallback);
    if (path === '') {
      pathname = fallback.pathname;
      search = found[4] === undefined ? fallback.search : found[4];
    } else {
      pathname = withoutDots(path[0] === '/' ? path : replace(fallback.pathname, /[^\/]*$/, '') + path);
      search = found[4] || '';
    }
  }
  return {
    protocol, host, username, password, pathname: escapePath(pathname), search: search === '?' ? '' : escapeQuery(search), hash: found[5] || '',
  };
}

const originOf = (parts) => (parts.opaque ? 'null' : `${parts.protocol}//${parts.host}`);
const userOf = ({ username, password }) =>
  (username || password ? `${username}${password ? `:${password}` : ''}@` : '');
const hrefOf = (parts) =>
  (parts.opaque ? parts.protocol : `${parts.protocol}//${userOf(parts)}${parts.host}`) + parts.pathname + parts.search + parts.hash;

class URL {
  constructor(text, base) {
    const parts = resolveURL(text, base === undefined || base === null ? null : resolveURL(String(base), null));
    this[PARTS] = parts;
    const params = new URLSearchParams(parts.search);
    params[CHANGED] = () => {
      const query = formatQuery(params[PAIRS]);
      parts.search = query ? `?${query}` : '';
    };
    defineProperty(this, 'searchParams', { value: params, enumerable: true });
  }

  get href() { return hrefOf(this[PARTS]); }

  set href(value) {
    const parts = resolveURL(value, null);
    each(objectKeys(parts), (name) => { this[PARTS][name] = parts[name]; });
    this.searchParams[PAIRS] = parseQuery(substring(parts.search, 1));
  }

  get origin() { return originOf(this[PARTS]); }

  get protocol() { return this[PARTS].protocol; }

  set protocol(value) { this[PARTS].protocol = `${replace(lower(String(value)), /:.*$/, '')}:`; }

  get host() { return this[PARTS].host; }

  set host(value) { this[PARTS].host = hostOf(String(value), this[PARTS].protocol); }

  get hostname() { return replace(this[PARTS].host, /:\d+$/, ''); }

  set hostname(value) { this.host = String(value) + (this.port ? `:${this.port}` : ''); }

  get port() { return (execRegExp(/:(\d+)$/, this[PARTS].host) || ['', ''])[1]; }

  set port(value) { this.host = this.hostname + (value === '' ? '' : `:${value}`); }

  get pathname() { return this[PARTS].pathname; }

  set pathname(value) {
    const path = String(value);
    this[PARTS].pathname = escapePath(withoutDots(path[0] === '/' ? path : `/${path}`));
  }

  get search() { return this[PARTS].search; }

  set search(value) {
    const query = replace(String(value), /^\?/, '');
    this[PARTS].search = query ? `?${escapeQuery(query)}` : '';
    this.searchParams[PAIRS] = parseQuery(query);
  }

  get hash() { return this[PARTS].hash; }

  set hash(value) {
    const hash = replace(String(value), /^#/, '');
    this[PARTS].hash = hash ? `#${hash}` : '';
  }

  get username() { return this[PARTS].username; }

  set username(value) { if (this[PARTS].host) this[PARTS].username = escapeUser(value); }

  get password() { return this[PARTS].password; }

  set password(value) { if (this[PARTS].host) this[PARTS].password = escapeUser(value); }

  toString() { return this.href; }

  toJSON() { return this.href; }

  static createObjectURL() { return `blob:${pageURL.origin}/0`; }

  static revokeObjectURL() {}

  static canParse(text, base) {
    try { return Boolean(new URL(text, base)); } catch { return false; }
  }
}

function baseURL() {
  const base = root && firstDescendant(root, (element) =>
    element.localName === 'base' && 'href' in element[ATTRIBUTES]);
  return base ? new URL(base[ATTRIBUTES].href, pageURL.href).href : pageURL.href;
}

// An address as a request has it: absolute, without a fragment.
function requestURL(text) {
  const url = new URL(text, baseURL());
  url.hash = '';
  return url.href;
}

// As `fetch` does; its message must not show the password.
function withoutUser(address) {
  if (userOf(new URL(address)[PARTS])) throw new TypeError('Request cannot be constructed from a URL that includes credentials');
  return address;
}

// Browsers load no script from an address that names a user.
function isLoadable(address) {
  try {
    return !userOf(new URL(address)[PARTS]);
  } catch {
    return false;
  }
}

hide(G, { URL, URLSearchParams });
