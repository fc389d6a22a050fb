// CSS selectors, as far as scripts of gates use them. An unknown one is a SyntaxError.

const IDENTIFIER = String.raw`(?:[\w\u0080-\uffff-]|\\.)+`;
const TOKENS = new RegExp([
  String.raw`\s*([>+~,])\s*`, // 1: combinator
  String.raw`(\s+)`, // 2: descendant
  String.raw`(\*|${IDENTIFIER})`, // 3: tag
  `#(${IDENTIFIER})`, // 4: id
  String.raw`\.(${IDENTIFIER})`, // 5: class
  String.raw`\[\s*([\w:-]+)\s*(?:([~|^$*]?=)\s*(?:"([^"]*)"|'([^']*)'|([^\]\s]*))\s*(?:\s[is])?\s*)?\]`, // 6–10
  String.raw`::?([\w-]+)(?:\(((?:[^()]|\([^()]*\))*)\))?`, // 11, 12: pseudo-class and its argument
].join('|'), 'gy');
const parsed = new NativeMap();
const unescapeName = (name) => replace(name, /\\(.)/g, '$1');

function parseSelector(selector) {
  const text = trim(String(selector));
  if (parsed.has(text)) return parsed.get(text);
  const groups = [];
  let group = [];
  let tests = [];
  let combinator = ' ';
  const bad = () => { throw new DOMException(`'${text}' is not a valid selector`, 'SyntaxError'); };
  const close = () => {
    if (!tests.length && combinator && combinator !== ' ') bad();
    if (tests.length) push(group, { combinator: combinator || ' ', tests });
    tests = [];
    combinator = null;
  };
  TOKENS.lastIndex = 0;
  while (TOKENS.lastIndex < text.length) {
    const token = execRegExp(TOKENS, text);
    if (!token) bad();
    if (token[1] === ',') {
      close();
      push(groups, group);
      group = [];
      combinator = ' ';
    } else if (token[1] || token[2]) {
      close();
      combinator = token[1] || ' ';
    } else {
      const at = TOKENS.lastIndex; // a pseudo-class parses its argument by the same pattern
      push(tests, testOf(token));
      TOKENS.lastIndex = at;
    }
  }
  close();
  push(groups, group);
  if (some(groups, (one) => one.length === 0)) bad();
  parsed.set(text, groups);
  return groups;
}

function testOf(token) {
  if (token[3] === '*') return () => true;
  if (token[3]) {
    const tag = lower(unescapeName(token[3]));
    return (element) => element.localName === tag;
  }
  if (token[4]) {
    const id = unescapeName(token[4]);
    return (element) => element[ATTRIBUTES].id === id;
  }
  if (token[5]) {
    const name = unescapeName(token[5]);
    return (element) => positionOf(words(element[ATTRIBUTES].class || ''), name) >= 0;
  }
  if (token[6]) return attributeTest(lower(token[6]), token[7], token[8] ?? token[9] ?? token[10]);
  return pseudoTest(token[11], token[12]);
}

function attributeTest(name, operator, value) {
  const compare = {
    undefined: () => true,
    '=': (held) => held === value,
    '^=': (held) => value !== '' && substring(held, 0, value.length) === value,
    '$=': (held) => value !== '' && substring(held, -value.length) === value,
    '*=': (held) => value !== '' && includes(held, value),
    '~=': (held) => positionOf(words(held), value) >= 0,
    '|=': (held) => held === value || substring(held, 0, value.length + 1) === `${value}-`,
  }[operator];
  return (element) => name in element[ATTRIBUTES] && compare(element[ATTRIBUTES][name]);
}

const elementsOf = (node) => filter(node[CHILDREN], (child) => child.nodeType === 1);
const placeAmong = (element, same) => {
  const siblings = element[PARENT] ? filter(elementsOf(element[PARENT]), same) : [element];
  return [positionOf(siblings, element) + 1, siblings.length];
};

// "2n+1", "odd", "3" → whether a number, counted from 1, is meant.
function nthTest(formula) {
  const text = replace(lower(formula || ''), /\s+/g, '');
  const named = { odd: '2n+1', even: '2n' }[text] || text;
  const found = execRegExp(/^([+-]?\d*)n([+-]\d+)?$/, named);
  if (!found) return (number) => number === Number(named);
  const step = matches(/\d/, found[1]) ? Number(found[1]) : Number(`${found[1]}1`);
  const start = Number(found[2] || 0);
  return (number) => (step === 0 ? number === start : (number - start) % step === 0 && (number - start) / step >= 0);
}

function pseudoTest(name, argument) {
  const any = () => true;
  const kin = (element) => (other) => other.localName === element.localName;
  switch (name) {
    case 'not': { const inner = parseSelector(argument); return (element) => !matchesAny(element, inner); }
    case 'is': case 'where': case 'matches': {
      const inner = parseSelector(argument);
      return (element) => matchesAny(element, inner);
    }
    case 'has': {
      const inner = parseSelector(replace(trim(argument), /^>\s*/, ''));
      return (element) => firstDescendant(element, (below) => matchesAny(below, inner)) !== null;
    }
    case 'checked': return (element) => (element.localName === 'option' ? element.selected : Boolean(element.checked));
    case 'disabled': return (element) => Boolean(element.disabled);
    case 'enabled': return (element) => isControl(element) && !element.disabled;
    case 'required': return (element) => 'required' in element[ATTRIBUTES];
    case 'empty': return (element) => element[CHILDREN].length === 0;
    case 'root': case 'scope': return (element) => element === root.documentElement;
    case 'first-child': return (element) => placeAmong(element, any)[0] === 1;
    case 'last-child': return (element) => { const [at, all] = placeAmong(element, any); return at === all; };
    case 'only-child': return (element) => placeAmong(element, any)[1] === 1;
    case 'nth-child': { const meant = nthTest(argument); return (element) => meant(placeAmong(element, any)[0]); }
    case 'first-of-type': return (element) => placeAmong(element, kin(element))[0] === 1;
    case 'last-of-type': return (element) => { const [at, all] = placeAmong(element, kin(element)); return at === all; };
    case 'nth-of-type': { const meant = nthTest(argument); return (element) => meant(placeAmong(element, kin(element))[0]); }
    default: throw new DOMException(`unsupported selector :${name}`, 'SyntaxError');
  }
}

function matchesGroup(element, group, at) {
  const { combinator, tests } = group[at];
  if (!every(tests, (test) => test(element))) return false;
  if (at === 0) return true;
  const before = (one) => matchesGroup(one, group, at - 1);
  const parent = element.parentElement;
  switch (combinator) {
    case '>': return parent !== null && before(parent);
    case '+': { const previous = element.previousElementSibling; return previous !== null && before(previous); }
    case '~':
      for (let one = element.previousElementSibling; one; one = one.previousElementSibling) if (before(one)) return true;
      return false;
    default:
      for (let one = parent; one; one = one.parentElement) if (before(one)) return true;
      return false;
  }
}

const matchesAny = (element, groups) => some(groups, (group) => matchesGroup(element, group, group.length - 1));

// What documents, fragments and elements all have.
const queries = {
  querySelector(selector) {
    const groups = parseSelector(selector);
    return firstDescendant(this, (element) => matchesAny(element, groups));
  },
  querySelectorAll(selector) {
    const groups = parseSelector(selector);
    return collection(descendants(this, (element) => matchesAny(element, groups)));
  },
  getElementsByTagName(name) {
    const tag = lower(String(name));
    return collection(descendants(this, (element) => tag === '*' || element.localName === tag));
  },
  getElementsByClassName(names) {
    const wanted = words(names);
    return collection(descendants(this, (element) => {
      const held = words(element[ATTRIBUTES].class || '');
      return wanted.length > 0 && every(wanted, (name) => positionOf(held, name) >= 0);
    }));
  },
  get children() { return collection(elementsOf(this)); },
  get firstElementChild() { return elementsOf(this)[0] || null; },
  get lastElementChild() { const all = elementsOf(this); return all[all.length - 1] || null; },
  get childElementCount() { return elementsOf(this).length; },
};
hide(DocumentFragment.prototype, queries);
hide(DocumentFragment.prototype, { getElementById(id) { return firstDescendant(this, (element) => element[ATTRIBUTES].id === id); } });
