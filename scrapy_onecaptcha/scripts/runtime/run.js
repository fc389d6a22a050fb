// Running a page's scripts, and what the host may ask.

const queue = []; // scripts that the host runs next
let external = createObject(null); // code by address
const isScript = (element) => element.localName === 'script';
const SCRIPT_TYPE = /^(?:module|(?:[\w-]+-)?(?:text|application)\/(?:x-)?(?:java|ecma)script(?:;.*)?|(?:text|application)\/rocketscript)?$/;

function prepareScript(script, byParser) {
  if (script[RUN]) return;
  const { src, type, nomodule } = script[ATTRIBUTES];
  const kind = lower(trim(type || ''));
  if (!matches(SCRIPT_TYPE, kind) || nomodule !== undefined) return;
  const module = includes(kind, 'module');
  const code = src === undefined ? textOf(script) : null;
  if (code !== null && !trim(code)) return;
  script[RUN] = true;
  if (code !== null) {
    if (byParser || module) push(queue, { code, script, module });
    else runNow(code, script);
    return;
  }
  const address = replace(script.src, /#.*$/, '');
  if (!address) return;
  if (matches(API_SCRIPT, address)) {
    loadAPI(address);
    later(() => dispatch(script, trusted('load')), 25);
  } else if (address in external) {
    if (byParser) push(queue, { code: external[address], script, module, external: true });
    else later(() => push(queue, { code: external[address], script, module, external: true }), 2);
  } else if (!isLoadable(address)) {
    later(() => dispatch(script, trusted('error')), 2);
  } else {
    note(visit.missingScripts, address);
    if (script[ATTRIBUTES].integrity) push(visit.integrity, [address, script[ATTRIBUTES].integrity]);
  }
}

// A script that another one inserts runs at once. Its `let` and `const` are its own,
// which is not so in a browser; no host function could run it from here.
function runNow(code, script) {
  const before = currentScript;
  currentScript = script;
  try {
    globalEval(code);
  } catch (error) {
    fail(error);
  }
  currentScript = before;
}

function buildTree(plain, owners) {
  const [tag, attributes, children, mark] = plain;
  const element = makeElement(tag);
  each(objectKeys(attributes), (name) => { element[ATTRIBUTES][lower(name)] = attributes[name]; });
  if (tag === 'form' && mark) owners[mark] = element;
  else if (mark) element[OWNER] = owners[mark];
  each(children, (child) => {
    const node = typeof child === 'string' ? new Text(child) : buildTree(child, owners);
    push(element[CHILDREN], node);
    node[PARENT] = element;
  });
  return element;
}

function boot(options) {
  pageURL = new URL(options.url);
  pageURL.username = pageURL.password = ''; // a browser shows no script the user's own
  external = assign(createObject(null), options.external);
  visit.charset = options.charset || 'UTF-8';
  visit.assumedAPI = options.assumedAPI || null;
  visit.respKey = options.respKey || '';
  if (options.userAgent) navigator.userAgent = options.userAgent;
  assign(visit.cookies, options.cookies);
  const top = buildTree(options.tree, createObject(null));
  push(root[CHILDREN], top);
  top[PARENT] = root;
  domVersion += 1;
  firstDescendant(root, (element) => {
    const held = element[ATTRIBUTES];
    if ('id' in held) nameGlobal(held.id);
    if ('name' in held && matches(/^(?:form|img|iframe)$/, element.localName)) nameGlobal(held.name);
    each(objectKeys(held), (name) => { if (substring(name, 0, 2) === 'on') compileHandler(element, name); });
    return false;
  });
  const scripts = descendants(root, isScript);
  const isLate = ({ [ATTRIBUTES]: held }) => held.src !== undefined && ('defer' in held || 'async' in held) || lower(held.type || '') === 'module';
  each(filter(scripts, (script) => !isLate(script)), (script) => prepareScript(script, true));
  each(filter(scripts, isLate), (script) => prepareScript(script, true));
}

function nextScript() {
  const [entry] = splice(queue, 0, 1);
  finishScript();
  if (!entry) return null;
  currentScript = entry.script;
  finishScript.pending = entry.external ? entry.script : null;
  const code = replace(replace(entry.code, /^\s*<!--[^\n]*(?:\n|$)/, '\n'), /^\s*(?:\/\/\s*)?<!\[CDATA\[/, '');
  return toJSON({ code, module: Boolean(entry.module) });
}

function finishScript() {
  if (finishScript.pending) dispatch(finishScript.pending, trusted('load'));
  finishScript.pending = null;
  currentScript = null;
}
finishScript.pending = null;

function loaded() {
  if (visit.assumedAPI && !apiOptions.loaded) loadAPI(visit.assumedAPI);
  readyState = 'interactive';
  dispatch(root, trusted('readystatechange'));
  dispatch(root, trusted('DOMContentLoaded', { bubbles: true }));
  later(() => {
    readyState = 'complete';
    dispatch(root, trusted('readystatechange'));
    dispatch(G, trusted('load'));
    dispatch(G, trusted('pageshow'));
  }, 30);
}

// Pages load hCaptcha's script when their visitor first moves.
function stir() {
  each(['pointermove', 'mousemove', 'mouseover', 'touchstart', 'scroll'], (type) => dispatch(root.body || root, trusted(type, { bubbles: true }, G.MouseEvent)));
}

// The captcha counts as solved from here on. Return how many widgets may have the token.
function giveToken(token, respKey) {
  visit.token = token;
  visit.respKey = respKey || '';
  visit.tokenForms = formsOf(token);
  visit.phase = 'solved';
  const executed = filter(widgets, (widget) => widget.executed);
  const shown = executed.length ? executed : filter(widgets, (widget) => widget.options.size !== 'invisible');
  const keyed = filter(shown, (widget) => matches(/^[\da-f-]{36}$/i, String(widget.options.sitekey)));
  const [first] = keyed.length ? keyed : shown;
  if (first && !some(widgets, (widget) => widget.token)) solve(first);
  return shown.length;
}

// Buttons that a visitor may press now, the likeliest first.
function buttons() {
  const around = filter(map(widgets, (widget) => widget.container && widget.container[PARENT] && formAround(widget.container)), Boolean);
  const delegated = some([root, root.body, G], (target) => target && hasListeners(target, 'click'));
  const score = (element) => {
    const form = element.localName === 'a' ? null : formOf(element);
    const said = `${textOf(element)} ${element[ATTRIBUTES].value || ''} ${element[ATTRIBUTES].onclick || ''} ${element.id}`;
    return (form && positionOf(around, form) >= 0 ? 4 : 0)
      + (form && isSubmit(element) ? 2 : 0)
      + (hasListeners(element, 'click') ? 3 : 0)
      + (element[WAS_DISABLED] ? 3 : 0)
      + (delegated ? 1 : 0)
      - (matches(/retry|reload|again|cancel|log-?out|sign ?out|report|help|back|close/i, said) ? 6 : 0);
  };
  const pressable = (element) => (isButton(element) || (element.localName === 'a' && hasListeners(element, 'click')))
    && !element[ATTRIBUTES]['data-hcaptcha-widget-id'] && !isBarred(element) && !element[PRESSED];
  const scored = map(descendants(root, pressable), (element) => ({ element, score: score(element) }));
  return map(sort(filter(scored, (one) => one.score > 0), (a, b) => b.score - a.score), (one) => one.element);
}

function formAround(element) {
  for (let node = element; node; node = node[PARENT]) if (node.localName === 'form') return node;
  return null;
}

function press() {
  const [button] = buttons();
  if (!button) return null;
  button[PRESSED] = true;
  visit.phase = 'click';
  click(button);
  return substring(join(words(button.id || textOf(button) || button[ATTRIBUTES].value || button.localName), ' '), 0, 40) || 'button';
}

function noteDisabled() {
  if (!widgets.length) renderImplicit();
  each(descendants(root, (element) => isControl(element) && 'disabled' in element[ATTRIBUTES]), (element) => { element[WAS_DISABLED] = true; });
}

const widgetReport = (widget) => ({
  sitekey: typeof widget.options.sitekey === 'string' ? widget.options.sitekey : null,
  size: typeof widget.options.size === 'string' ? widget.options.size : null,
  rqdata: typeof widget.options.rqdata === 'string' ? widget.options.rqdata : null,
  tag: widget.container ? widget.container.localName : null,
  executed: widget.executed,
  called: widget.called,
});

const requestReport = (request) => ({
  kind: request.kind, method: request.method, url: request.url, headers: request.headers, body: request.body,
  fields: request.fields, enctype: request.enctype, charset: request.charset || '', token: request.token,
  phase: request.phase, id: request.id || 0,
  cookies: map(filter(request.cookies, (cookie) => !cookie.gone), (cookie) => cookie.text),
});

const commands = {
  __proto__: null,
  boot,
  script: nextScript,
  loaded,
  stir,
  step: (limit) => (stepTimers(limit) ? (queue.length ? 2 : 1) : 0),
  now: () => visit.now,
  giveToken,
  press,
  noteDisabled,
  fail,
  tokenSent: () => some(visit.sent, (request) => request.token),
  answer(id, answer) { if (answers[id - 1]) guard(answers[id - 1], null, [answer]); },
  result: () => toJSON({
    sent: map(visit.sent, requestReport), navigations: visit.navigations, errors: visit.errors, lacking: visit.lacking,
    missingScripts: visit.missingScripts, integrity: visit.integrity, cookies: map(filter(visit.cookiesSet, (cookie) => !cookie.gone), (cookie) => cookie.text),
    widgets: map(widgets, widgetReport), apiLoaded: apiOptions.loaded,
  }),
};

// The last value of all these files: the one function that the host calls. A string that
// was concatenated may be kept in parts, which the host's side does not take.
const host = (name, argumentsJSON) => {
  const result = apply(commands[name], null, parseJSON(argumentsJSON || '[]'));
  return typeof result === 'string' ? join([result], '') : result;
};
