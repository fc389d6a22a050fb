// Base64, UTF-8 and digests.

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function encodeBase64(value) {
  const text = String(value);
  const coded = [];
  for (let i = 0; i < text.length; i += 3) {
    const [a, b, c] = [codeAt(text, i), codeAt(text, i + 1), codeAt(text, i + 2)];
    if (a > 255 || b > 255 || c > 255) throw new DOMException('a character outside Latin-1', 'InvalidCharacterError');
    push(
      coded,
      BASE64[a >> 2],
      BASE64[((a & 3) << 4) | (b >> 4)],
      i + 1 < text.length ? BASE64[((b & 15) << 2) | (c >> 6)] : '=',
      i + 2 < text.length ? BASE64[c & 63] : '=',
    );
  }
  return join(coded, '');
}

function decodeBase64(value) {
  const text = replace(replace(String(value), /[\t\n\f\r ]/g, ''), /={1,2}$/, '');
  if (text.length % 4 === 1) throw new DOMException('no base64', 'InvalidCharacterError');
  const bytes = [];
  let bits = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const six = textIndex(BASE64, text[i]);
    if (six < 0) throw new DOMException('no base64', 'InvalidCharacterError');
    bits = (bits << 6) | six;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    push(bytes, String.fromCharCode((bits >> count) & 255));
    bits &= (1 << count) - 1;
  }
  return join(bytes, '');
}

function encodeUTF8(text) {
  const escaped = encodePercent(wellFormed(text));
  const bytes = [];
  for (let i = 0; i < escaped.length; i++) {
    if (escaped[i] !== '%') push(bytes, codeAt(escaped, i));
    else {
      push(bytes, parseInt(substring(escaped, i + 1, i + 3), 16));
      i += 2;
    }
  }
  return new Uint8Array(bytes);
}

function decodeUTF8(bytes, fatal) {
  const escaped = [];
  for (let i = 0; i < bytes.length; i++) push(escaped, `%${substring(`0${bytes[i].toString(16)}`, -2)}`);
  try {
    return decodePercent(join(escaped, ''));
  } catch (error) {
    if (fatal) throw error;
    return join(map([...bytes], (byte) => (byte < 128 ? String.fromCharCode(byte) : '\ufffd')), '');
  }
}

class TextEncoder {
  get encoding() { return 'utf-8'; }

  encode(text) { return encodeUTF8(text === undefined ? '' : text); }
}

class TextDecoder {
  constructor(label, options) { this[DATA] = Boolean(options && options.fatal); }

  get encoding() { return 'utf-8'; }

  decode(view) {
    if (view === undefined) return '';
    return decodeUTF8(view instanceof ArrayBuffer ? new Uint8Array(view) : new Uint8Array(view.buffer, view.byteOffset, view.byteLength), this[DATA]);
  }
}

// SHA-1 and SHA-256, after FIPS 180-4; gates use them for small proofs of work.
const rotate = (word, by) => (word >>> by) | (word << (32 - by));

function paddedWords(bytes) {
  const padded = [...bytes, 128];
  while (padded.length % 64 !== 56) push(padded, 0);
  const bits = bytes.length * 8;
  push(padded, 0, 0, 0, Math.floor(bits / 4294967296), bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255);
  const packed = [];
  for (let i = 0; i < padded.length; i += 4) {
    push(packed, (padded[i] << 24) | (padded[i + 1] << 16) | (padded[i + 2] << 8) | padded[i + 3]);
  }
  return packed;
}

const SHA256 = (() => {
  const fraction = (root) => ((root - Math.floor(root)) * 4294967296) | 0;
  const constants = [];
  const start = [];
  for (let number = 2; constants.length < 64; number++) {
    let prime = true;
    for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) prime = false;
    if (!prime) continue;
    if (start.length < 8) push(start, fraction(Math.sqrt(number)));
    push(constants, fraction(Math.cbrt(number)));
  }
  return { constants, start };
})();

function sha256(bytes) {
  const state = slice(SHA256.start);
  const message = paddedWords(bytes);
  for (let block = 0; block < message.length; block += 16) {
    const schedule = slice(message, block, block + 16);
    for (let i = 16; i < 64; i++) {
      const [x, y] = [schedule[i - 15], schedule[i - 2]];
      schedule[i] = (schedule[i - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3))
        + schedule[i - 7] + (rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10))) | 0;
    }
    let [a, b, c, d, e, f, g, h] = [state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]];
    for (let i = 0; i < 64; i++) {
      const first = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + SHA256.constants[i] + schedule[i]) | 0;
      const second = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    each([a, b, c, d, e, f, g, h], (word, i) => { state[i] = (state[i] + word) | 0; });
  }
  return state;
}

function sha1(bytes) {
  const state = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476, 0xc3d2e1f0 | 0];
  const message = paddedWords(bytes);
  for (let block = 0; block < message.length; block += 16) {
    const schedule = slice(message, block, block + 16);
    for (let i = 16; i < 80; i++) schedule[i] = rotate(schedule[i - 3] ^ schedule[i - 8] ^ schedule[i - 14] ^ schedule[i - 16], 31);
    let [a, b, c, d, e] = [state[0], state[1], state[2], state[3], state[4]];
    for (let i = 0; i < 80; i++) {
      const [mixed, constant] = i < 20 ? [(b & c) | (~b & d), 0x5a827999] : i < 40 ? [b ^ c ^ d, 0x6ed9eba1]
        : i < 60 ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc] : [b ^ c ^ d, 0xca62c1d6];
      const next = (rotate(a, 27) + mixed + e + constant + schedule[i]) | 0;
      [e, d, c, b, a] = [d, c, rotate(b, 2), a, next];
    }
    each([a, b, c, d, e], (word, i) => { state[i] = (state[i] + word) | 0; });
  }
  return state;
}

const DIGESTS = { __proto__: null, 'SHA-1': sha1, 'SHA-256': sha256 };

function digest(algorithm, data) {
  return new NativePromise((resolve) => {
    const name = upper(typeof algorithm === 'string' ? algorithm : algorithm.name);
    const hash = DIGESTS[name] || lacks(`crypto.subtle.digest of ${name}`);
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const state = hash(bytes);
    const output = new Uint8Array(state.length * 4);
    each(state, (word, i) => {
      output[4 * i] = word >>> 24;
      output[4 * i + 1] = word >>> 16;
      output[4 * i + 2] = word >>> 8;
      output[4 * i + 3] = word;
    });
    resolve(output.buffer);
  });
}

// The same numbers in each run, so that two runs differ by their token only.
let seed = 12345;
function randomByte() {
  seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return (seed >> 16) & 255;
}
const randomNumber = () => (randomByte() * 16777216 + randomByte() * 65536 + randomByte() * 256 + randomByte()) / 4294967296;
hide(Math, { random: randomNumber });

function getRandomValues(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let i = 0; i < bytes.length; i++) bytes[i] = randomByte();
  return view;
}

function randomUUID() {
  let digits = '';
  for (let i = 0; i < 16; i++) digits += substring(`0${randomByte().toString(16)}`, -2);
  const at = (from, to) => substring(digits, from, to);
  return `${at(0, 8)}-${at(8, 12)}-4${at(13, 16)}-a${at(17, 20)}-${at(20, 32)}`;
}

const subtle = { digest };
each(words('encrypt decrypt sign verify generateKey deriveKey deriveBits importKey exportKey wrapKey unwrapKey'), (name) => {
  hide(subtle, { [name]: () => new NativePromise(() => lacks(`crypto.subtle.${name}`)) });
});
hide(G, { btoa: encodeBase64, atob: decodeBase64, TextEncoder, TextDecoder, crypto: { getRandomValues, randomUUID, subtle } });
