// Forms and their controls: values, the entry list, submission (HTML, "form submission").

const URLENCODED = 'application/x-www-form-urlencoded';
const isControl = (element) => matches(/^(?:input|select|textarea|button|fieldset|output|object)$/, element.localName || '');
const isButton = (element) => element.localName === 'button'
  || (element.localName === 'input' && matches(/^(?:submit|image|button|reset)$/, element.type));
const isSubmit = (element) => isButton(element) && matches(/^(?:submit|image)$/, element.type);

function formOf(element) {
  if ('form' in element[ATTRIBUTES]) {
    const named = root.getElementById(element[ATTRIBUTES].form);
    return named && named.localName === 'form' ? named : null;
  }
  if (element[OWNER] && isConnected(element[OWNER])) return element[OWNER];
  for (let node = element[PARENT]; node; node = node[PARENT]) if (node.localName === 'form') return node;
  return null;
}

class Control extends HTMLElement {
  get form() { return formOf(this); }

  get labels() { return collection(this.id ? descendants(root, (one) => one.localName === 'label' && one[ATTRIBUTES].for === this.id) : []); }

  get validity() { return { valid: true, valueMissing: false }; }

  get validationMessage() { return ''; }

  get willValidate() { return true; }

  checkValidity() { return true; }

  reportValidity() { return true; }

  setCustomValidity() {}

  select() {}

  setSelectionRange() {}
}
reflect(Control.prototype, { name: 'name', placeholder: 'placeholder', autocomplete: 'autocomplete', pattern: 'pattern' });
reflectFlags(Control.prototype, { disabled: 'disabled', readOnly: 'readonly', required: 'required', autofocus: 'autofocus' });

class HTMLInputElement extends Control {
  get type() { return lower(this[ATTRIBUTES].type || 'text'); }

  set type(value) { setAttribute(this, 'type', value); }

  get value() {
    if (this[VALUE] !== undefined) return this[VALUE];
    const initial = this[ATTRIBUTES].value;
    return initial ?? (matches(/^(?:checkbox|radio)$/, this.type) ? 'on' : '');
  }

  set value(value) {
    const text = value === null ? '' : String(value);
    // The value of these is their attribute.
    if (matches(/^(?:hidden|submit|image|reset|button|checkbox|radio)$/, this.type)) setAttribute(this, 'value', text);
    else this[VALUE] = replace(text, /[\r\n]/g, '');
  }

  get checked() { return this[CHECKED] ?? 'checked' in this[ATTRIBUTES]; }

  set checked(on) { setChecked(this, Boolean(on)); }

  get valueAsNumber() { return Number(this.value); }

  get files() { return this.type === 'file' ? [] : null; }
}
reflect(HTMLInputElement.prototype, {
  defaultValue: 'value', min: 'min', max: 'max', step: 'step', src: 'src', alt: 'alt',
  formAction: 'formaction', formMethod: 'formmethod', formEnctype: 'formenctype',
});
reflectFlags(HTMLInputElement.prototype, { defaultChecked: 'checked', multiple: 'multiple', formNoValidate: 'formnovalidate' });

function setChecked(input, on) {
  input[CHECKED] = on;
  if (!on || input.type !== 'radio') return;
  const form = formOf(input);
  each(descendants(root, (one) => one.localName === 'input' && one.type === 'radio'
    && one.name === input.name && formOf(one) === form), (other) => {
    if (other !== input) other[CHECKED] = false;
  });
}

class HTMLTextAreaElement extends Control {
  get type() { return 'textarea'; }

  // The parser drops a line break right after the start tag.
  get value() { return this[VALUE] ?? replace(textOf(this), /^\r?\n/, ''); }

  set value(value) { this[VALUE] = value === null ? '' : String(value); }

  get defaultValue() { return textOf(this); }

  set defaultValue(text) { this.textContent = text; }
}

class HTMLButtonElement extends Control {
  get type() { const type = lower(this[ATTRIBUTES].type || ''); return matches(/^(?:reset|button)$/, type) ? type : 'submit'; }

  set type(value) { setAttribute(this, 'type', value); }
}
reflect(HTMLButtonElement.prototype, { value: 'value', formAction: 'formaction', formMethod: 'formmethod', formEnctype: 'formenctype' });

class HTMLOptionElement extends HTMLElement {
  get value() { return this[ATTRIBUTES].value ?? this.text; }

  set value(text) { setAttribute(this, 'value', text); }

  get text() { return join(words(textOf(this)), ' '); }

  set text(text) { this.textContent = text; }

  get selected() { const select = selectOf(this); return select ? positionOf(chosen(select), this) >= 0 : Boolean(this[SELECTED]); }

  set selected(on) {
    const select = selectOf(this);
    if (on && select && !select.multiple) each(optionsOf(select), (option) => { option[SELECTED] = false; });
    this[SELECTED] = Boolean(on);
  }

  get index() { const select = selectOf(this); return select ? positionOf(optionsOf(select), this) : 0; }
}
reflect(HTMLOptionElement.prototype, { label: 'label' });
reflectFlags(HTMLOptionElement.prototype, { disabled: 'disabled', defaultSelected: 'selected' });

function selectOf(option) {
  for (let node = option[PARENT]; node; node = node[PARENT]) if (node.localName === 'select') return node;
  return null;
}

const optionsOf = (select) => descendants(select, (element) => element.localName === 'option');

// The selected options: of a plain select exactly one, if it has any to choose.
function chosen(select) {
  const options = optionsOf(select);
  const marked = filter(options, (option) => option[SELECTED] ?? 'selected' in option[ATTRIBUTES]);
  if (select.multiple) return marked;
  if (marked.length) return slice(marked, -1);
  if (Number(select[ATTRIBUTES].size || 1) > 1) return [];
  const first = find(options, (option) => !option.disabled) || options[0];
  return first && !select[VALUE] ? [first] : [];
}

class HTMLSelectElement extends Control {
  get type() { return this.multiple ? 'select-multiple' : 'select-one'; }

  get options() { return collection(optionsOf(this)); }

  get length() { return optionsOf(this).length; }

  get selectedOptions() { return collection(chosen(this)); }

  get selectedIndex() { const [first] = chosen(this); return first ? positionOf(optionsOf(this), first) : -1; }

  set selectedIndex(index) { each(optionsOf(this), (option, i) => { option[SELECTED] = i === index; }); }

  get value() { const [first] = chosen(this); return first ? first.value : ''; }

  set value(value) {
    each(optionsOf(this), (option) => { option[SELECTED] = option.value === String(value); });
    this[VALUE] = true; // now nothing at all may be selected
  }

  add(option) { insert(this, option, null); }
}
reflectFlags(HTMLSelectElement.prototype, { multiple: 'multiple' });

// A function, because the prototype of a class cannot be replaced; see below.
function HTMLFormElement(tag) { return construct(HTMLElement, [tag], HTMLFormElement); }
class FormMembers extends HTMLElement {
  get elements() { return collection(controlsOf(this)); }

  get length() { return controlsOf(this).length; }

  get action() { return actionOf(this, null); }

  set action(value) { setAttribute(this, 'action', value); }

  get method() { const method = lower(this[ATTRIBUTES].method || ''); return matches(/^(?:post|dialog)$/, method) ? method : 'get'; }

  set method(value) { setAttribute(this, 'method', value); }

  get enctype() { return enctypeOf(this[ATTRIBUTES].enctype); }

  set enctype(value) { setAttribute(this, 'enctype', value); }

  get encoding() { return enctypeOf(this[ATTRIBUTES].enctype); }

  set encoding(value) { setAttribute(this, 'enctype', value); }

  submit() { sendForm(this, null); }

  requestSubmit(button) { requestSubmit(this, button || null); }

  reset() { each(controlsOf(this), (control) => { control[VALUE] = undefined; control[CHECKED] = undefined; }); }

  checkValidity() { return true; }

  reportValidity() { return true; }
}
reflect(FormMembers.prototype, { name: 'name', target: 'target', acceptCharset: 'accept-charset', rel: 'rel' });
reflectFlags(FormMembers.prototype, { noValidate: 'novalidate' });
// `form.email` is the control of that name, and so is `form.submit` where a control is
// called "submit": names come before the form's own members.
HTMLFormElement.prototype = new NativeProxy(FormMembers.prototype, {
  get(target, key, form) {
    if (typeof key === 'string' && form instanceof Node && form[ATTRIBUTES]) {
      const named = matches(/^\d+$/, key) ? controlsOf(form)[Number(key)] : namedControl(form, key);
      if (named) return named;
    }
    return getProperty(target, key, form);
  },
  has: (target, key) => key in target,
});
hide(FormMembers.prototype, { constructor: HTMLFormElement });

const controlsOf = (form) =>
  descendants(isConnected(form) ? root : form, (element) =>
    isControl(element) && element.type !== 'image' && formOf(element) === form);

function namedControl(form, name) {
  // Most names that are looked up are members; a look at all controls is not free.
  const named = filter(descendants(isConnected(form) ? root : form, (element) =>
    element[ATTRIBUTES].name === name || element[ATTRIBUTES].id === name), (element) =>
    isControl(element) && formOf(element) === form && element.type !== 'image');
  return named.length > 1 ? collection(named) : named[0];
}

const enctypeOf = (text) => (matches(/^(?:multipart\/form-data|text\/plain)$/i, text || '') ? lower(text) : URLENCODED);

function actionOf(form, button) {
  const action = (button && button[ATTRIBUTES].formaction) || form[ATTRIBUTES].action;
  if (!action || !trim(action)) return pageURL.href;
  try {
    return new URL(action, baseURL()).href;
  } catch {
    return action;
  }
}

function isBarred(element) {
  if ('disabled' in element[ATTRIBUTES]) return true;
  for (let node = element[PARENT]; node; node = node[PARENT]) {
    if (node.localName === 'datalist') return true;
    if (node.localName === 'fieldset' && 'disabled' in node[ATTRIBUTES]) {
      // The first legend of a disabled fieldset is free of it.
      const legend = find(node[CHILDREN], (child) => child.localName === 'legend');
      if (!legend || !legend.contains(element)) return true;
    }
  }
  return false;
}

// The names and values that a form sends, in the order of the page.
function entryList(form, button) {
  const entries = [];
  each(descendants(isConnected(form) ? root : form, (one) => isControl(one) && formOf(one) === form), (element) => {
    const { name } = element[ATTRIBUTES];
    if (isBarred(element) || matches(/^(?:fieldset|output|object)$/, element.localName)) return;
    if (isButton(element) && element !== button) return;
    if (element.type === 'image') {
      push(entries, [name ? `${name}.x` : 'x', '0'], [name ? `${name}.y` : 'y', '0']);
      return;
    }
    if (!name) return;
    if (element.localName === 'select') {
      each(chosen(element), (option) => { if (!option.disabled) push(entries, [name, option.value]); });
    } else if (element.type === 'file') push(entries, [name, '']);
    else if (!matches(/^(?:checkbox|radio)$/, element.type) || element.checked) {
      push(entries, [name, name === '_charset_' && element.type === 'hidden' ? 'UTF-8' : element.value]);
    }
  });
  const data = trusted('formdata', { bubbles: true });
  data.formData = new FormData(null, null, entries);
  dispatch(form, data);
  return data.formData[PAIRS];
}

function sendForm(form, button) {
  const attribute = (name) => (button && button[ATTRIBUTES][`form${name}`]) || form[ATTRIBUTES][name];
  const address = actionOf(form, button);
  if (matches(/^javascript:/i, address)) {
    runAddress(address);
    return;
  }
  let url;
  try {
    url = new URL(address);
  } catch (error) {
    fail(error);
    return;
  }
  if (lower(attribute('method') || '') === 'dialog') return;
  const method = lower(attribute('method') || '') === 'post' ? 'POST' : 'GET';
  const fields = entryList(form, button);
  url.hash = '';
  if (method === 'GET') url.search = formatQuery(fields);
  record({
    kind: 'form', method, url: url.href, enctype: method === 'GET' ? null : enctypeOf(attribute('enctype')), fields,
    target: attribute('target') || '', charset: form[ATTRIBUTES]['accept-charset'] || '',
  });
}

function requestSubmit(form, button) {
  const event = trusted('submit', { bubbles: true, submitter: button }, G.SubmitEvent);
  if (dispatch(form, event)) sendForm(form, button);
}

// A click, and what the element does when nobody prevents it.
function click(element) {
  const was = element.checked;
  const box = element.localName === 'input' && matches(/^(?:checkbox|radio)$/, element.type);
  if (box) setChecked(element, element.type === 'radio' ? true : !was);
  const event = trusted('click', { bubbles: true, button: 0, detail: 1, clientX: 20, clientY: 20 }, G.MouseEvent);
  if (!dispatch(element, event)) {
    if (box) setChecked(element, was);
    return;
  }
  if (box) {
    dispatch(element, trusted('input', { bubbles: true }));
    dispatch(element, trusted('change', { bubbles: true }));
  }
  activate(element);
}

function activate(element) {
  for (let node = element; node && node.nodeType === 1; node = node[PARENT]) {
    if (isButton(node)) {
      const form = formOf(node);
      if (form && !node.disabled && isSubmit(node)) requestSubmit(form, node);
      if (form && !node.disabled && node.type === 'reset') form.reset();
      return;
    }
    if (node.localName === 'a' && 'href' in node[ATTRIBUTES]) {
      if (node[ATTRIBUTES].target !== '_blank') navigate(node[ATTRIBUTES].href, 'link');
      return;
    }
    if (node.localName === 'label') {
      const control = node.control;
      if (control && control !== element) click(control);
      return;
    }
  }
}

class HTMLLabelElement extends HTMLElement {
  get control() {
    const { for: id } = this[ATTRIBUTES];
    return id ? root.getElementById(id) : firstDescendant(this, (element) => isControl(element));
  }
}
reflect(HTMLLabelElement.prototype, { htmlFor: 'for' });

class HTMLFieldSetElement extends Control {
  get elements() { return collection(descendants(this, isControl)); }
}

defineInterface('HTMLInputElement', 'input', HTMLInputElement);
defineInterface('HTMLTextAreaElement', 'textarea', HTMLTextAreaElement);
defineInterface('HTMLButtonElement', 'button', HTMLButtonElement);
defineInterface('HTMLSelectElement', 'select', HTMLSelectElement);
defineInterface('HTMLOptionElement', 'option', HTMLOptionElement);
defineInterface('HTMLFormElement', 'form', HTMLFormElement);
defineInterface('HTMLLabelElement', 'label', HTMLLabelElement);
defineInterface('HTMLFieldSetElement', 'fieldset', HTMLFieldSetElement);
hide(G, {
  Option: function Option(text, value) {
    const option = makeElement('option');
    if (text !== undefined) option.textContent = text;
    if (value !== undefined) setAttribute(option, 'value', value);
    return option;
  },
});
