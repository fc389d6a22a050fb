// What a page sends with fetch, XMLHttpRequest and sendBeacon. It is written down, and
// answered only where the host has an answer.

const answers = []; // by the number of the call: how its answer is handed on

function holdsToken(text) {
  if (!visit.token || typeof text !== 'string') return false;
  return includes(text, visit.token) || includes(text, encodePercent(visit.token))
    || some(visit.tokenForms, (form) => includes(text, form));
}

// How a page may have written the token: base64 at each of its three offsets, and hex.
function formsOf(token) {
  const shifted = map([0, 1, 2], (offset) => {
    const coded = encodeBase64(`${substring('  ', 0, offset)}${token}`);
    return substring(coded, offset ? 4 : 0, -4);
  });
  const hex = join(map(split(token, ''), (char) => substring(`0${codeAt(char, 0).toString(16)}`, -2)), '');
  return filter([...shifted, hex], (form) => form.length >= 16); // a few letters prove nothing
}

const carriesToken = (request) => holdsToken(request.url) || holdsToken(request.body)
  || some(request.headers || [], (pair) => holdsToken(pair[1]))
  || some(request.fields || [], (pair) => holdsToken(pair[0]) || holdsToken(pair[1]))
  || some(request.cookies, (cookie) => holdsToken(cookie.value));

function record(request) {
  request.cookies = slice(visit.cookiesSet);
  request.token = carriesToken(request);
  request.at = visit.now;
  request.phase = visit.phase;
  if (visit.sent.length >= 200) throw new RangeError('more requests than any page needs');
  push(visit.sent, request);
  return request;
}

const HEADERS = Symbol('headers');

class Headers {
  constructor(init) {
    this[HEADERS] = createObject(null);
    if (init === null || init === undefined) return;
    if (init[HEADERS]) each(objectKeys(init[HEADERS]), (name) => { this[HEADERS][name] = init[HEADERS][name]; });
    else if (typeof init[Symbol.iterator] === 'function') for (const pair of init) this.append(pair[0], pair[1]);
    else each(objectKeys(init), (name) => this.append(name, init[name]));
  }

  append(rawName, value) {
    const name = headerName(rawName);
    const held = this[HEADERS][name];
    this[HEADERS][name] = held === undefined ? trim(String(value)) : `${held}, ${trim(String(value))}`;
  }

  set(name, value) { this[HEADERS][headerName(name)] = trim(String(value)); }

  get(name) { return this[HEADERS][headerName(name)] ?? null; }

  has(name) { return headerName(name) in this[HEADERS]; }

  delete(name) { delete this[HEADERS][headerName(name)]; }

  forEach(visitHeader, self) { each(headerPairs(this), (pair) => apply(visitHeader, self, [pair[1], pair[0], this])); }

  keys() { return iterate(map(headerPairs(this), (pair) => pair[0])); }

  values() { return iterate(map(headerPairs(this), (pair) => pair[1])); }

  entries() { return iterate(headerPairs(this)); }

  [Symbol.iterator]() { return iterate(headerPairs(this)); }
}

function headerName(name) {
  const text = lower(String(name));
  if (!matches(/^[!#$%&'*+.^_`|~\w-]+$/, text)) throw new TypeError(`Invalid header name: ${text}`);
  return text;
}

// Headers that only the browser sets; those of a script are ignored.
const FORBIDDEN = /^(?:(?:sec|proxy)-.*|access-control-request-.*|accept-(?:charset|encoding)|connection|content-length|cookie2?|date|dnt|expect|host|keep-alive|origin|referer|set-cookie|te|trailer|transfer-encoding|upgrade|user-agent|via)$/;

const headerPairs = (headers) => sort(
  map(objectKeys(headers[HEADERS]), (name) => [name, headers[HEADERS][name]]),
  (a, b) => (a[0] < b[0] ? -1 : 1),
);

class FormData extends Pairs {
  // The third argument is the runtime's own.
  constructor(form, button, entries) { super(entries || (form ? entryList(form, button || null) : [])); }
}

class Blob {
  constructor(parts, options) {
    this[DATA] = join(map([...(parts || [])], (part) => (part instanceof Blob ? part[DATA] : bytesAsText(part) ?? String(part))), '');
    hide(this, { type: (options && lower(String(options.type || ''))) || '', size: this[DATA].length });
  }

  text() { return NativePromise.resolve(this[DATA]); }

  arrayBuffer() { return NativePromise.resolve(new TextEncoder().encode(this[DATA]).buffer); }

  slice(start, end, type) { return new Blob([substring(this[DATA], start, end)], { type }); }
}

class File extends Blob {
  constructor(parts, name, options) { super(parts, options); hide(this, { name: String(name) }); }
}

// UTF-8 bytes as text, or undefined for what is no bytes.
function bytesAsText(value) {
  const bytes = value instanceof ArrayBuffer ? new Uint8Array(value)
    : ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : null;
  if (!bytes) return undefined;
  try {
    return decodeUTF8(bytes, true);
  } catch {
    return lacks('a body that is no text');
  }
}

// A body as it is sent: its text or fields, and the Content-Type that goes with it.
function readBody(body) {
  if (body === null || body === undefined) return { body: null, fields: null, type: null };
  if (body instanceof URLSearchParams) {
    return { body: null, fields: slice(body[PAIRS]), type: `${URLENCODED};charset=UTF-8` };
  }
  if (body instanceof FormData) return { body: null, fields: slice(body[PAIRS]), type: 'multipart/form-data' };
  if (body instanceof Blob) return { body: body[DATA], fields: null, type: body.type || null };
  const bytes = bytesAsText(body);
  if (bytes !== undefined) return { body: bytes, fields: null, type: null };
  return { body: String(body), fields: null, type: 'text/plain;charset=UTF-8' };
}

function send(kind, method, address, headers, rawBody) {
  const sentHeaders = new Headers(headers);
  const { body, fields, type } = readBody(rawBody);
  if (type && (!sentHeaders.has('content-type') || type === 'multipart/form-data')) sentHeaders.set('content-type', type);
  let verb = String(method ?? 'GET');
  if (matches(/^(?:get|post|put|head|delete|options)$/i, verb)) verb = upper(verb);
  const url = requestURL(address);
  return record({ kind, method: verb, url: kind === 'fetch' ? withoutUser(url) : url, headers: filter(headerPairs(sentHeaders), (pair) => !matches(FORBIDDEN, pair[0])), body, fields });
}

// `deliver` gets the answer: {status, headers, body, url} or {error}.
function expectAnswer(request, deliver) {
  request.id = push(answers, deliver);
}

class Body {
  constructor(text) { this[DATA] = text; hide(this, { bodyUsed: false }); }

  text() { return NativePromise.resolve(this[DATA]); }

  json() { return new NativePromise((resolve) => { resolve(parseJSON(this[DATA])); }); }

  blob() { return NativePromise.resolve(new Blob([this[DATA]], { type: this.headers.get('content-type') || '' })); }

  arrayBuffer() { return NativePromise.resolve(new TextEncoder().encode(this[DATA]).buffer); }

  formData() { return NativePromise.resolve(new FormData(null, null, parseQuery(this[DATA]))); }
}

class Response extends Body {
  constructor(body, init) {
    const options = init || {};
    super(body === null || body === undefined ? '' : String(body));
    const status = options.status === undefined ? 200 : options.status;
    hide(this, {
      status, ok: status >= 200 && status < 300, statusText: options.statusText || '', headers: new Headers(options.headers),
      url: options.url || '', redirected: Boolean(options.redirected), type: 'basic',
    });
  }

  clone() { return new Response(this[DATA], this); }

  static json(value, init) { return new Response(JSON.stringify(value), init); }

  static error() { return new Response(null, { status: 0 }); }
}

class Request extends Body {
  constructor(input, init) {
    const from = input instanceof Request ? input : null;
    const options = init || {};
    super('');
    const body = 'body' in options ? options.body : from && from[VALUE];
    this[VALUE] = body;
    this[DATA] = typeof body === 'string' ? body : '';
    hide(this, {
      url: from ? from.url : withoutUser(new URL(input, baseURL()).href),
      method: upper(String(options.method || (from && from.method) || 'GET')),
      headers: new Headers(options.headers || (from && from.headers)),
      credentials: options.credentials || 'same-origin', mode: options.mode || 'cors', signal: options.signal || null,
    });
  }

  clone() { return new Request(this); }
}

function fetch(input, init) {
  return new NativePromise((resolve, reject) => {
    const options = init || {};
    const from = input instanceof Request ? input : null;
    const body = 'body' in options ? options.body : from && from[VALUE];
    const method = options.method || (from && from.method) || 'GET';
    if (body !== null && body !== undefined && matches(/^(?:get|head)$/i, method)) {
      throw new TypeError('Request with GET/HEAD method cannot have body.');
    }
    const request = send('fetch', method, from ? from.url : String(input), options.headers || (from && from.headers), body);
    expectAnswer(request, (answer) => {
      if (answer.error) reject(new TypeError('Failed to fetch'));
      else resolve(new Response(answer.body, answer));
    });
  });
}

class XMLHttpRequest extends EventTarget {
  constructor() {
    super();
    hide(this, { readyState: 0, status: 0, statusText: '', responseText: '', response: '', responseURL: '', responseXML: null });
    assign(this, { responseType: '', timeout: 0, withCredentials: false });
    hide(this, { upload: new EventTarget() });
    this[DATA] = { method: 'GET', url: '', headers: new Headers(), answer: null, gone: false };
  }

  open(method, address, isAsync, username, password) {
    const url = new URL(address, baseURL());
    if (username !== null && username !== undefined) url.username = username;
    if (password !== null && password !== undefined) url.password = password;
    this[DATA] = { ...this[DATA], method: String(method), url: url.href, headers: new Headers() };
    advance(this, 1);
  }

  setRequestHeader(name, value) { this[DATA].headers.append(name, value); }

  overrideMimeType() {}

  abort() { this[DATA].gone = true; }

  getResponseHeader(name) { return this[DATA].answer ? this[DATA].answer.get(name) : null; }

  getAllResponseHeaders() {
    return this[DATA].answer ? join(map(headerPairs(this[DATA].answer), (pair) => `${pair[0]}: ${pair[1]}\r\n`), '') : '';
  }

  send(body) {
    const { method, url, headers } = this[DATA];
    const plain = matches(/^(?:get|head)$/i, method) ? null : body;
    const request = send('xhr', method, url, headers, plain);
    expectAnswer(request, (answer) => { if (!this[DATA].gone) receive(this, request, answer); });
  }
}
const STATES = { UNSENT: 0, OPENED: 1, HEADERS_RECEIVED: 2, LOADING: 3, DONE: 4 };
hide(XMLHttpRequest, STATES);
hide(XMLHttpRequest.prototype, STATES);

function advance(xhr, state) {
  hide(xhr, { readyState: state });
  dispatch(xhr, trusted('readystatechange'));
}

function receive(xhr, request, answer) {
  if (answer.error) {
    advance(xhr, 4);
    dispatch(xhr, trusted('error'));
    dispatch(xhr, trusted('loadend'));
    return;
  }
  const text = answer.body || '';
  xhr[DATA].answer = new Headers(answer.headers);
  hide(xhr, { status: answer.status, statusText: answer.statusText || '', responseURL: answer.url || request.url });
  advance(xhr, 2);
  hide(xhr, { responseText: text, response: xhr.responseType === 'json' ? jsonOrNull(text) : text });
  advance(xhr, 4);
  dispatch(xhr, trusted('load'));
  dispatch(xhr, trusted('loadend'));
}

function jsonOrNull(text) {
  try {
    return parseJSON(text);
  } catch {
    return null;
  }
}

function sendBeacon(address, body) {
  send('beacon', 'POST', address, null, body);
  return true;
}

hide(G, { Headers, FormData, Blob, File, Response, Request, fetch, XMLHttpRequest });
