// Timers on a clock of our own: time passes when the host says so.

let timers = [];
let lastTimer = 0;

function startTimer(call, delay, every, args) {
  lastTimer += 1;
  const code = typeof call === 'function' ? null : String(call);
  const wait = Math.max(1, Number(delay) || 0);
  push(timers, {
    id: lastTimer,
    call: code === null ? call : () => globalEval(code),
    due: visit.now + wait,
    every: every ? Math.max(4, wait) : 0,
    args,
  });
  return lastTimer;
}

const later = (call, delay) => startTimer(call, delay, false, []);

function stopTimer(id) {
  timers = filter(timers, (timer) => timer.id !== id);
}

// Run the timer that is due first, unless it is due after `limit`. Return whether one ran.
function stepTimers(limit) {
  let next = null;
  each(timers, (timer) => {
    if (timer.due <= limit && (!next || timer.due < next.due)) next = timer;
  });
  if (!next) {
    visit.now = Math.max(visit.now, limit);
    return false;
  }
  visit.now = Math.max(visit.now, next.due);
  if (next.every) next.due = visit.now + next.every;
  else stopTimer(next.id);
  guard(next.call, G, next.args);
  return true;
}

class MessagePort extends EventTarget {
  postMessage(data) {
    later(() => { if (this[DATA]) dispatch(this[DATA], assign(new Event('message'), { data })); }, 0);
  }

  start() {}

  close() {}
}

class MessageChannel {
  constructor() {
    this.port1 = new MessagePort();
    this.port2 = new MessagePort();
    this.port1[DATA] = this.port2;
    this.port2[DATA] = this.port1;
  }
}

const PageDate = new NativeProxy(NativeDate, {
  construct: (target, args, self) => construct(target, args.length ? args : [EPOCH + visit.now], self === PageDate ? target : self),
  apply: () => new NativeDate(EPOCH + visit.now).toString(),
  get: (target, key, self) => (key === 'now' ? () => Math.floor(EPOCH + visit.now) : getProperty(target, key, self)),
});
defineProperty(NativeDate.prototype, 'constructor', { value: PageDate, writable: true, configurable: true });

hide(G, {
  Date: PageDate,
  MessagePort,
  MessageChannel,
  setTimeout: (call, delay, ...args) => startTimer(call, delay, false, args),
  setInterval: (call, delay, ...args) => startTimer(call, delay, true, args),
  clearTimeout: stopTimer,
  clearInterval: stopTimer,
  requestAnimationFrame: (call) => startTimer(call, 16, false, [visit.now + 16]),
  cancelAnimationFrame: stopTimer,
  requestIdleCallback: (call) => startTimer(call, 1, false, [{ didTimeout: false, timeRemaining: () => 10 }]),
  cancelIdleCallback: stopTimer,
  queueMicrotask: (call) => { then(then(NativePromise.resolve(), () => call()), undefined, fail); },
});
