// Events, their targets, and their way through the tree.

class EventTarget {
  addEventListener(type, listener, options) {
    const target = eventTarget(this);
    if (!listener) return;
    if (!target[LISTENERS]) defineProperty(target, LISTENERS, { value: createObject(null) });
    const capture = options === true || Boolean(options && options.capture);
    const list = target[LISTENERS][type] || (target[LISTENERS][type] = []);
    if (some(list, (known) => known.listener === listener && known.capture === capture)) return;
    push(list, { listener, capture, once: Boolean(options && options.once), gone: false });
  }

  removeEventListener(type, listener, options) {
    const target = eventTarget(this);
    const list = target[LISTENERS] && target[LISTENERS][type];
    if (!list) return;
    const capture = options === true || Boolean(options && options.capture);
    target[LISTENERS][type] = filter(list, (known) => {
      const same = known.listener === listener && known.capture === capture;
      if (same) known.gone = true;
      return !same;
    });
  }

  dispatchEvent(event) { return dispatch(eventTarget(this), event); }
}

// `addEventListener(…)` without an object is the window's.
const eventTarget = (self) => (self === undefined || self === null ? G : self);

function hasListeners(target, type) {
  const list = target[LISTENERS] && target[LISTENERS][type];
  return Boolean(list && list.length) || typeof target[`on${type}`] === 'function';
}

function dispatch(target, event) {
  hide(event, { target, srcElement: target });
  const path = [];
  for (let node = target; node; node = node[PARENT] || (node === root ? G : null)) push(path, node);
  event[DATA].path = path;
  const above = event.bubbles ? path : slice(path, 0, 1);
  for (let i = path.length - 1; i >= 0 && !event[DATA].stopped; i--) deliver(path[i], event, true);
  for (let i = 0; i < above.length && !event[DATA].stopped; i++) deliver(above[i], event, false);
  hide(event, { currentTarget: null });
  return !event.defaultPrevented;
}

function deliver(target, event, capturing) {
  const list = target[LISTENERS] && target[LISTENERS][event.type];
  hide(event, { currentTarget: target });
  each(list ? slice(list) : [], (known) => {
    if (known.capture !== capturing || known.gone || event[DATA].stoppedNow) return;
    if (known.once) apply(EventTarget.prototype.removeEventListener, target, [event.type, known.listener, capturing]);
    const { listener } = known;
    if (typeof listener === 'function') guard(listener, target, [event]);
    else guard(listener.handleEvent, listener, [event]);
  });
  if (capturing || event[DATA].stoppedNow) return;
  const handler = target[`on${event.type}`];
  if (typeof handler !== 'function') return;
  const result = guard(handler, target, [event]);
  if (result === false) event.preventDefault();
}

class Event {
  constructor(type, init) {
    const options = init || {};
    hide(this, {
      type: String(type),
      target: null,
      currentTarget: null,
      srcElement: null,
      bubbles: Boolean(options.bubbles),
      cancelable: Boolean(options.cancelable),
      defaultPrevented: false,
      isTrusted: false,
      timeStamp: visit.now,
      eventPhase: 2,
    });
    this[DATA] = { stopped: false, stoppedNow: false, path: [] };
    each(objectKeys(options), (name) => { if (!(name in this)) this[name] = options[name]; });
  }

  preventDefault() { if (this.cancelable) hide(this, { defaultPrevented: true }); }

  stopPropagation() { this[DATA].stopped = true; }

  stopImmediatePropagation() { this[DATA].stopped = true; this[DATA].stoppedNow = true; }

  initEvent(type, bubbles, cancelable) {
    hide(this, { type, bubbles: Boolean(bubbles), cancelable: Boolean(cancelable) });
  }

  initCustomEvent(type, bubbles, cancelable, detail) {
    this.initEvent(type, bubbles, cancelable);
    this.detail = detail;
  }

  composedPath() { return slice(this[DATA].path); }

  get cancelBubble() { return this[DATA].stopped; }

  set cancelBubble(on) { if (on) this[DATA].stopped = true; }

  get returnValue() { return !this.defaultPrevented; }

  set returnValue(value) { if (value === false) this.preventDefault(); }
}

// An event of the browser itself.
function trusted(type, init, Kind = Event) {
  return hide(new Kind(type, { cancelable: true, ...init }), { isTrusted: true });
}

hide(Event, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });
hide(G, { EventTarget, Event });
class CustomEvent extends Event {
  constructor(type, init) { super(type, init); if (!('detail' in this)) this.detail = null; }
}
hide(G, { CustomEvent });
each(words('UIEvent MouseEvent PointerEvent KeyboardEvent FocusEvent InputEvent SubmitEvent '
  + 'MessageEvent ErrorEvent TouchEvent ProgressEvent StorageEvent PopStateEvent '
  + 'HashChangeEvent TransitionEvent AnimationEvent WheelEvent PageTransitionEvent'), (name) => {
  hide(G, { [name]: { [name]: class extends Event {} }[name] });
});
each(['addEventListener', 'removeEventListener', 'dispatchEvent'], (name) => {
  hide(G, { [name]: EventTarget.prototype[name] });
});
