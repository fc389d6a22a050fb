// hCaptcha's API as a page sees it. Nothing is solved here: the host gives a token.

const API_SCRIPT = /^https?:\/\/(?:[\w-]+\.)*hcaptcha\.com\/1\/(?:secure-)?api\.js(?:[?#]|$)|^https?:\/\/[^?#]*\/1\/secure-api\.js(?:[?#]|$)/i;
const widgets = [];
// What was said of a widget before there was one.
const early = { executed: false, rqdata: null };
const apiOptions = { loaded: false, explicit: false, onload: null, compatible: true };

// "a.b.c", or the name of a variable that is no property of the window (const, let).
function named(name) {
  if (typeof name === 'function') return name;
  let value = G;
  each(split(String(name), '.'), (part) => { value = value === null || value === undefined ? value : value[part]; });
  if (value === undefined && matches(/^[A-Za-z_$][\w$]*$/, name)) {
    try {
      return globalEval(name);
    } catch {
      return undefined;
    }
  }
  return value;
}

function containerOf(where) {
  if (where && where.jquery) return where[0] || null;
  if (where && where.nodeType === 1) return where;
  if (typeof where !== 'string') return null;
  return elementById(where) || (matches(/^[.#]/, where) ? root.querySelector(where) : null);
}

function attributeOptions(container) {
  const options = {};
  each(objectKeys(container[ATTRIBUTES]), (name) => {
    if (substring(name, 0, 5) === 'data-') options[substring(name, 5)] = container[ATTRIBUTES][name];
  });
  return options;
}

function render(where, given) {
  const container = containerOf(where);
  if (!container) fail(new Error('[hCaptcha] render: invalid container'));
  const options = { ...(container ? attributeOptions(container) : {}), ...(given || {}) };
  const known = container && find(widgets, (widget) => widget.container === container);
  if (known) {
    assign(known.options, given || {});
    return known.id;
  }
  if (early.rqdata !== null && !widgets.length) options.rqdata = early.rqdata;
  const bound = container && matches(/^(?:button|input)$/, container.localName);
  if (bound) options.size = 'invisible';
  const widget = { id: `0w${widgets.length}`, container, options, token: '', waiting: [], executed: early.executed && !widgets.length, called: false, fields: [], frame: null };
  push(widgets, widget);
  if (container) addFields(widget, container);
  if (bound) {
    apply(EventTarget.prototype.addEventListener, container, ['click', (event) => { event.preventDefault(); execute(widget.id); }]);
  }
  return widget.id;
}

function addFields(widget, container) {
  const { frame } = assign(widget, { frame: makeElement('iframe') });
  setAttribute(frame, 'data-hcaptcha-widget-id', widget.id);
  setAttribute(frame, 'data-hcaptcha-response', '');
  insert(container, frame, null);
  each(apiOptions.compatible ? ['h-captcha-response', 'g-recaptcha-response'] : ['h-captcha-response'], (name) => {
    const field = makeElement('textarea');
    setAttribute(field, 'name', name);
    setAttribute(field, 'id', elementById(name) ? `${name}-${widget.id}` : name);
    insert(container, field, null);
    push(widget.fields, field);
  });
}

// Without an id, or with one that is unknown, the first widget is meant.
function widgetOf(id) {
  const same = (widget) => (id && typeof id === 'object' ? widget.container === id
    : widget.id === id || (widget.container && widget.container.id && widget.container.id === id));
  return find(widgets, same) || widgets[0];
}

function execute(first, second) {
  const withoutId = second === undefined && first && typeof first === 'object' && !first.nodeType;
  const [id, options] = withoutId ? [undefined, first] : [first, second];
  const widget = widgetOf(id);
  const asynchronous = Boolean(options && options.async);
  if (!widget) {
    early.executed = true;
    if (options && options.rqdata) early.rqdata = options.rqdata;
    return asynchronous ? NativePromise.reject(new Error('missing-captcha')) : undefined;
  }
  widget.executed = true;
  if (options && options.rqdata) widget.options.rqdata = options.rqdata;
  const promise = new NativePromise((resolve) => { push(widget.waiting, resolve); });
  if (visit.token) later(() => solve(widget), 50);
  return asynchronous ? promise : undefined;
}

// Hand the token to the page, as the widget does when its challenge was passed.
function solve(widget) {
  if (widget.token || !visit.token) return;
  widget.token = visit.token;
  each(widget.fields, (field) => { field.value = visit.token; });
  if (widget.frame) setAttribute(widget.frame, 'data-hcaptcha-response', visit.token);
  const callback = widget.options.callback === undefined ? undefined : named(widget.options.callback);
  if (typeof callback === 'function') {
    widget.called = true;
    guard(callback, G, [visit.token]);
  } else if (widget.options.callback !== undefined && widget.options.callback !== '') {
    fail(new ReferenceError(`${widget.options.callback} is not defined`));
  }
  each(splice(widget.waiting, 0, widget.waiting.length), (resolve) => resolve({ response: visit.token, key: visit.respKey }));
}

function reset(id) {
  const widget = widgetOf(id);
  if (!widget) return;
  widget.executed = false;
  each(widget.fields, (field) => { field.value = ''; });
}

function setData(id, data) {
  const widget = widgetOf(data === undefined ? undefined : id);
  const given = data === undefined ? id : data;
  if (!given || !given.rqdata) return;
  if (widget) widget.options.rqdata = given.rqdata;
  else early.rqdata = given.rqdata;
}

const api = {
  render, execute, reset, setData,
  getResponse(id) { const widget = widgetOf(id); return widget ? widget.token : ''; },
  getRespKey(id) { const widget = widgetOf(id); return widget && widget.token ? visit.respKey : ''; },
  remove: reset,
  close() {},
  ready(call) { later(call, 0); },
};

const IMPLICIT = '.h-captcha[data-sitekey], h-captcha[data-sitekey]';
const renderImplicit = () => each(
  root.querySelectorAll(apiOptions.compatible ? `${IMPLICIT}, .g-recaptcha[data-sitekey]` : IMPLICIT),
  (element) => { if (!some(widgets, (widget) => widget.container === element)) render(element, {}); },
);

// The API is there at once; what it does by itself comes a moment later.
function loadAPI(address) {
  if (apiOptions.loaded) return;
  const query = new URLSearchParams(replace(substring(address, textIndex(address, '?') + 1 || address.length), /&amp;/g, '&'));
  assign(apiOptions, {
    loaded: true, explicit: query.get('render') === 'explicit', onload: query.get('onload'),
    compatible: query.get('recaptchacompat') !== 'off',
  });
  hide(G, { hcaptcha: api });
  if (apiOptions.compatible && !G.grecaptcha) hide(G, { grecaptcha: api });
  later(() => {
    if (!apiOptions.explicit) renderImplicit();
    const onload = apiOptions.onload && named(apiOptions.onload);
    if (typeof onload === 'function') guard(onload, G);
  }, 20);
}
