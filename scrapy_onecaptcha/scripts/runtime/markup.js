// Markup that scripts write (innerHTML, document.write) and read.

const VOID = words('area base br col embed hr img input link meta param source track wbr');
const RAW = words('script style textarea title');
const MAX_DEPTH = 200; // elements within elements
const isVoid = (tag) => positionOf(VOID, tag) >= 0;
const NAMED_CHARACTERS = { __proto__: null, amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };
const MARKUP = /<!--[\s\S]*?-->|<![a-z][^>]*>|<\/([a-z][\w:-]*)[^>]*>|<([a-z][\w:-]*)((?:\s+[^\s=>\/]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]*))?|\s|\/)*)>/gi;
const MARKUP_ATTRIBUTE = /([^\s=\/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s]*)))?/g;

function decodeCharacters(text) {
  return replace(text, /&(#x?[\da-f]+|\w+);/gi, (whole, name) => {
    if (name[0] !== '#') return NAMED_CHARACTERS[name] ?? whole;
    const code = matches(/^#x/i, name) ? parseInt(substring(name, 2), 16) : Number(substring(name, 1));
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
  });
}

// Parse `text` into `into` and return it. Scripts in it stay inert, as with innerHTML.
function parseMarkup(text, into) {
  const open = [into];
  const top = () => open[open.length - 1];
  const addText = (part) => { if (part) insert(top(), new Text(decodeCharacters(part)), null); };
  const pattern = new RegExp(MARKUP.source, 'gi');
  let end = 0;
  for (let tag = execRegExp(pattern, text); tag; tag = execRegExp(pattern, text)) {
    addText(substring(text, end, tag.index));
    end = pattern.lastIndex;
    if (substring(tag[0], 0, 4) === '<!--') insert(top(), new Comment(substring(tag[0], 4, -3)), null);
    if (tag[1]) closeElement(open, lower(tag[1]));
    if (!tag[2]) continue;
    const element = markupElement(tag[2], tag[3] || '');
    insert(top(), element, null);
    if (isVoid(element.localName)) continue;
    if (positionOf(RAW, element.localName) < 0) {
      if (open.length < MAX_DEPTH) push(open, element);
    } else {
      const close = textIndex(lower(text), `</${element.localName}`, end);
      const inner = substring(text, end, close < 0 ? text.length : close);
      const raw = matches(/^(?:script|style)$/, element.localName);
      if (inner) insert(element, new Text(raw ? inner : decodeCharacters(inner)), null);
      end = close < 0 ? text.length : (textIndex(text, '>', close) + 1 || text.length);
      pattern.lastIndex = end;
    }
  }
  addText(substring(text, end));
  return into;
}

function closeElement(open, tag) {
  for (let i = open.length - 1; i > 0; i--) {
    if (open[i].localName === tag) {
      open.length = i;
      return;
    }
  }
}

function markupElement(tag, attributes) {
  const element = makeElement(tag);
  if (element.localName === 'script') element[INERT] = true;
  replace(attributes, MARKUP_ATTRIBUTE, (whole, name, double, single, bare) => {
    const known = lower(name) in element[ATTRIBUTES];
    if (!known) setAttribute(element, name, decodeCharacters(double ?? single ?? bare ?? ''));
    return '';
  });
  return element;
}

const escapeText = (text) => replace(replace(replace(text, /&/g, '&amp;'), /</g, '&lt;'), />/g, '&gt;');
const escapeValue = (text) => replace(replace(text, /&/g, '&amp;'), /"/g, '&quot;');

function markupOf(node) {
  if (node.nodeType === 8) return `<!--${node[DATA]}-->`;
  if (node.nodeType === 3) {
    const raw = node[PARENT] && matches(/^(?:script|style)$/, node[PARENT].localName || '');
    return raw ? node[DATA] : escapeText(node[DATA]);
  }
  if (node.nodeType !== 1) return innerMarkup(node);
  const attributes = map(objectKeys(node[ATTRIBUTES]), (name) => ` ${name}="${escapeValue(node[ATTRIBUTES][name])}"`);
  const start = `<${node.localName}${join(attributes, '')}>`;
  return isVoid(node.localName) ? start : `${start}${innerMarkup(node)}</${node.localName}>`;
}

const innerMarkup = (node) =>
  join(map((node.localName === 'template' ? node.content : node)[CHILDREN], markupOf), '');

class DOMParser {
  parseFromString(text) { const parsedDocument = emptyDocument(); parseMarkup(String(text), parsedDocument.body); return parsedDocument; }
}

class XMLSerializer {
  serializeToString(node) { return markupOf(node); }
}
hide(G, { DOMParser, XMLSerializer });
