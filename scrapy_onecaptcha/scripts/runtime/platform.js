// The rest of a window: navigator, storage, screen, observers.

const nothing = () => {};
const nothingYet = () => new NativePromise(nothing);

const navigator = {
  userAgent: 'Mozilla/5.0', appName: 'Netscape', appVersion: '5.0', product: 'Gecko', vendor: '', platform: 'Linux x86_64',
  language: 'en-US', languages: ['en-US', 'en'], cookieEnabled: true, onLine: true, webdriver: false, doNotTrack: null,
  hardwareConcurrency: 4, maxTouchPoints: 0, plugins: [], mimeTypes: [], sendBeacon, javaEnabled: () => false,
  clipboard: { writeText: () => NativePromise.resolve(), readText: nothingYet },
  serviceWorker: { register: nothingYet, ready: nothingYet(), addEventListener: nothing, getRegistrations: () => NativePromise.resolve([]) },
  permissions: { query: () => NativePromise.resolve({ state: 'prompt', addEventListener: nothing }) },
};

function makeStorage() {
  const held = new NativeMap();
  const methods = {
    getItem: (name) => (held.has(String(name)) ? held.get(String(name)) : null),
    setItem(name, value) { held.set(String(name), String(value)); },
    removeItem(name) { held.delete(String(name)); },
    clear() { held.clear(); },
    key: (index) => [...held.keys()][index] ?? null,
  };
  return new NativeProxy(methods, {
    get: (target, name) => (name === 'length' ? held.size : name in target ? target[name] : held.get(name)),
    set(target, name, value) { held.set(name, String(value)); return true; },
    has: (target, name) => name in target || held.has(name),
    deleteProperty(target, name) { held.delete(name); return true; },
    ownKeys: () => [...held.keys()],
    getOwnPropertyDescriptor: (target, name) => (held.has(name)
      ? { value: held.get(name), enumerable: true, configurable: true, writable: true } : undefined),
  });
}

// Everything is in view, as it is on a screen that is large enough.
class IntersectionObserver {
  constructor(callback) { this[DATA] = callback; }

  observe(target) {
    const box = target.getBoundingClientRect();
    later(() => apply(this[DATA], this, [[{
      target, isIntersecting: true, intersectionRatio: 1, boundingClientRect: box, intersectionRect: box, time: visit.now,
    }], this]), 1);
  }

  unobserve() {}

  disconnect() {}

  takeRecords() { return []; }
}

class QuietObserver {
  observe() {}

  unobserve() {}

  disconnect() {}

  takeRecords() { return []; }
}

class AbortController {
  constructor() { hide(this, { signal: assign(new EventTarget(), { aborted: false, reason: undefined, throwIfAborted: nothing }) }); }

  abort(reason) {
    if (this.signal.aborted) return;
    assign(this.signal, { aborted: true, reason });
    dispatch(this.signal, trusted('abort'));
  }
}

class WebSocket extends EventTarget {
  constructor() { super(); lacks('WebSocket'); }
}

class Worker extends EventTarget {
  constructor() { super(); lacks('Worker'); }
}

function postMessage(data) {
  later(() => dispatch(G, assign(trusted('message', {}, G.MessageEvent), { data, origin: pageURL.origin, source: G })), 0);
}

function copy(value) {
  if (typeof value === 'function') throw new DOMException('a function', 'DataCloneError');
  if (typeof value !== 'object' || value === null) return value;
  if (isArray(value)) return map(value, copy);
  if (value instanceof NativeDate) return new NativeDate(+value);
  if (value instanceof NativeMap) return new NativeMap([...value]);
  const fresh = {};
  each(objectKeys(value), (name) => { fresh[name] = copy(value[name]); });
  return fresh;
}

const quietConsole = {};
each(words('log info warn error debug trace group groupEnd groupCollapsed table time timeEnd timeLog dir dirxml assert count clear'), (name) => {
  quietConsole[name] = nothing;
});

const mediaQuery = (query) => ({
  media: String(query), matches: false, onchange: null, addListener: nothing, removeListener: nothing,
  addEventListener: nothing, removeEventListener: nothing,
});

hide(G, {
  navigator, clientInformation: navigator, console: quietConsole, localStorage: makeStorage(), sessionStorage: makeStorage(),
  IntersectionObserver, ResizeObserver: QuietObserver, PerformanceObserver: QuietObserver,
  AbortController, WebSocket, Worker, postMessage, structuredClone: copy,
  performance: {
    now: () => visit.now, timeOrigin: EPOCH, timing: { navigationStart: EPOCH, domLoading: EPOCH }, navigation: { type: 0 },
    mark: nothing, measure: nothing, getEntries: () => [], getEntriesByType: () => [], getEntriesByName: () => [],
  },
  screen: { width: 1920, height: 1080, availWidth: 1920, availHeight: 1040, colorDepth: 24, pixelDepth: 24, orientation: { type: 'landscape-primary', angle: 0 } },
  CSS: { escape: (text) => replace(String(text), /[^\w-]/g, '\\$&'), supports: () => true },
  getComputedStyle: (element) => new NativeProxy({}, {
    get: (target, name) => (name === 'getPropertyValue' ? (property) => styleOf(element)[property] || '' : styleOf(element)[name] || ''),
  }),
  getSelection: () => ({ toString: () => '', removeAllRanges: nothing, addRange: nothing, rangeCount: 0 }),
  matchMedia: mediaQuery, alert: nothing, confirm: () => true, prompt: () => null, print: nothing, focus: nothing, blur: nothing,
  scroll: nothing, scrollTo: nothing, scrollBy: nothing, name: '', status: '', closed: false, length: 0, opener: null,
  frameElement: null, isSecureContext: true, innerWidth: 1920, innerHeight: 969, outerWidth: 1920, outerHeight: 1080,
  devicePixelRatio: 1, scrollX: 0, scrollY: 0, pageXOffset: 0, pageYOffset: 0, screenX: 0, screenY: 0,
});
