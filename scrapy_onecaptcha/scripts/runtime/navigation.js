// Where a page goes: location, history, window.open.

function runAddress(address) {
  const code = replace(String(address), /^\s*javascript:/i, '');
  guard(() => globalEval(decodeForm(replace(code, /\+/g, '%2B'))));
}

// A page that moves on. It counts as a request when the token goes along.
function moveOn(kind, url) {
  const request = {
    kind, method: 'GET', url, headers: null, body: null, fields: null, cookies: slice(visit.cookiesSet),
  };
  if (carriesToken(request)) record(request);
  else if (visit.navigations.length < 50) push(visit.navigations, { kind, url, phase: visit.phase, at: visit.now });
}

function navigate(address, how) {
  if (matches(/^\s*javascript:/i, String(address))) {
    runAddress(address);
    return;
  }
  let url;
  try {
    url = new URL(address, baseURL());
  } catch (error) {
    fail(error);
    return;
  }
  if (!matches(/^https?:$/, url.protocol)) return;
  const sameDocument = url.hash && hrefWithoutHash(url) === hrefWithoutHash(pageURL);
  if (sameDocument) {
    pageURL.hash = url.hash;
    later(() => dispatch(G, trusted('hashchange')), 0);
    return;
  }
  moveOn(how === 'reload' ? 'reload' : 'location', hrefWithoutHash(url));
}

const hrefWithoutHash = (url) => replace(url.href, /#.*$/, '');

const location = {
  assign(address) { navigate(address, 'assign'); },
  replace(address) { navigate(address, 'replace'); },
  reload() { moveOn('reload', hrefWithoutHash(pageURL)); },
  toString() { return pageURL.href; },
  get href() { return pageURL.href; },
  set href(address) { navigate(address, 'href'); },
  get origin() { return pageURL.origin; },
  get ancestorOrigins() { return []; },
};
each(words('protocol host hostname port pathname search hash'), (part) => {
  defineProperty(location, part, {
    enumerable: true,
    get: () => pageURL[part],
    set(value) {
      const url = new URL(pageURL.href);
      url[part] = value;
      if (part === 'hash') navigate(url.href || '#', 'hash');
      else navigate(url.href, part);
    },
  });
});
defineProperty(G, 'location', { enumerable: true, get: () => location, set(address) { navigate(address, 'location'); } });

function pushState(state, title, address) {
  history.state = state;
  if (address === null || address === undefined) return;
  const url = new URL(address, baseURL());
  if (url.origin !== pageURL.origin) throw new DOMException('another origin', 'SecurityError');
  pageURL = url;
}

// Back, to where the visitor came from: another page, which nobody knows here.
const goBack = () => { push(visit.navigations, { kind: 'back', url: '', phase: visit.phase, at: visit.now }); };
const history = {
  length: 1, state: null, scrollRestoration: 'auto', pushState, replaceState: pushState,
  back: goBack, forward() {}, go(steps) { if (steps < 0) goBack(); else if (!steps) location.reload(); },
};

hide(G, {
  history,
  open(address, target) {
    if (!address) return null;
    if (matches(/^_(?:self|top|parent)$/, target || '')) navigate(address, 'open');
    return null;
  },
  close() {},
  stop() {},
});
