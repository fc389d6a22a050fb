// Elements of tags that have properties of their own, controls apart.

class HTMLAnchorElement extends HTMLElement {
  get href() { return linkOf(this, 'href'); }

  set href(value) { setAttribute(this, 'href', value); }

  toString() { return this.href; }

  get origin() { return this.href ? new URL(this.href).origin : ''; }
}
each(words('protocol username password host hostname port pathname search hash'), (part) => {
  defineProperty(HTMLAnchorElement.prototype, part, {
    configurable: true,
    get() { return this.href ? new URL(this.href)[part] : ''; },
    set(value) { const url = new URL(this.href); url[part] = value; setAttribute(this, 'href', url.href); },
  });
});
reflect(HTMLAnchorElement.prototype, { target: 'target', rel: 'rel', download: 'download' });

function linkOf(element, attribute) {
  const value = element[ATTRIBUTES][attribute];
  if (value === undefined) return '';
  try {
    return new URL(value, baseURL()).href;
  } catch {
    return value;
  }
}

// Elements that name a file.
class SourceElement extends HTMLElement {
  get src() { return linkOf(this, 'src'); }

  set src(value) { setAttribute(this, 'src', value); }
}

class HTMLScriptElement extends SourceElement {
  get text() { return textOf(this); }

  set text(code) { this.textContent = code; }
}
reflect(HTMLScriptElement.prototype, { type: 'type', charset: 'charset', integrity: 'integrity', nonce: 'nonce' });
reflect(HTMLScriptElement.prototype, { crossOrigin: 'crossorigin' }, null);
reflectFlags(HTMLScriptElement.prototype, { async: 'async', defer: 'defer', noModule: 'nomodule' });

class HTMLIFrameElement extends SourceElement {
  get contentWindow() { return { postMessage() {}, get document() { return lacks('the document of a frame'); } }; }

  get contentDocument() { return null; }
}
reflect(HTMLIFrameElement.prototype, { name: 'name', width: 'width', height: 'height' });

class HTMLImageElement extends SourceElement {
  get complete() { return true; }
}
reflect(HTMLImageElement.prototype, { alt: 'alt', name: 'name' });

class HTMLLinkElement extends HTMLElement {
  get href() { return linkOf(this, 'href'); }

  set href(value) { setAttribute(this, 'href', value); }
}
reflect(HTMLLinkElement.prototype, { rel: 'rel', type: 'type', media: 'media', as: 'as' });

class HTMLMetaElement extends HTMLElement {}
reflect(HTMLMetaElement.prototype, { name: 'name', content: 'content', httpEquiv: 'http-equiv' });

class HTMLTemplateElement extends HTMLElement {
  get content() {
    if (!this[DATA]) {
      defineProperty(this, DATA, { value: new DocumentFragment() });
      each(slice(this[CHILDREN]), (child) => insert(this[DATA], child, null));
    }
    return this[DATA];
  }
}

class HTMLCanvasElement extends HTMLElement {
  getContext() { return null; }

  toDataURL() { return 'data:,'; }
}

defineInterface('HTMLAnchorElement', 'a area', HTMLAnchorElement);
defineInterface('HTMLScriptElement', 'script', HTMLScriptElement);
defineInterface('HTMLIFrameElement', 'iframe', HTMLIFrameElement);
defineInterface('HTMLImageElement', 'img', HTMLImageElement);
defineInterface('HTMLLinkElement', 'link', HTMLLinkElement);
defineInterface('HTMLMetaElement', 'meta', HTMLMetaElement);
defineInterface('HTMLTemplateElement', 'template', HTMLTemplateElement);
defineInterface('HTMLCanvasElement', 'canvas', HTMLCanvasElement);
each(words('HTMLDivElement:div HTMLSpanElement:span HTMLParagraphElement:p HTMLBodyElement:body '
  + 'HTMLHeadElement:head HTMLHtmlElement:html HTMLStyleElement:style HTMLTitleElement:title '
  + 'HTMLHeadingElement:h1 HTMLUListElement:ul HTMLLIElement:li HTMLTableElement:table'), (pair) => {
  const [name, tag] = split(pair, ':');
  defineInterface(name, tag, { [name]: class extends HTMLElement {} }[name]);
});
hide(G, {
  Element, HTMLElement, HTMLUnknownElement: class HTMLUnknownElement extends HTMLElement {},
  SVGElement: class SVGElement extends Element {}, customElements,
  Image: function Image() { return makeElement('img'); },
});
