// form: a form for any type, made from its schema: a field that the server adds appears by itself.
import {el, fill, freshId} from './dom.js';
import {t, word} from './text.js';

const toLocal = (text) => {
	const d = new Date(text);
	return Number.isNaN(d.getTime()) ? '' : new Date(d.getTime() - d.getTimezoneOffset() * 6e4).toISOString().slice(0, 16);
};

// Inputs that hold a secret: shown on request, never filled in, not for a password manager.
function secretInput(id, kept) {
	const input = el('input', {
		id, type: 'password', autocomplete: 'new-password', spellcheck: 'false', 'data-1p-ignore': true, 'data-lpignore': 'true',
		'aria-describedby': kept ? `${id}-help` : null,
	});
	let many = null; // the text of a file: a password field would lose its line breaks
	const shown = el('button', {
		type: 'button', class: 'plain', 'aria-pressed': 'false', 'aria-controls': id, onclick: () => {
			const show = input.type === 'password';
			input.type = show ? 'text' : 'password';
			shown.setAttribute('aria-pressed', String(show));
			shown.textContent = t(show ? 'hide' : 'show');
		},
	}, t('show'));
	const file = el('input', {type: 'file', class: 'hidden-file', tabindex: '-1', 'aria-label': t('fromFile')});
	const pick = el('button', {type: 'button', class: 'plain', onclick: () => file.click()}, t('fromFile'));
	const note = el('span', {class: 'quiet'});
	file.addEventListener('change', async () => {
		many = file.files[0] ? await file.files[0].text() : null;
		note.textContent = file.files[0]?.name ?? '';
		input.value = '';
	});
	input.addEventListener('input', () => { many = null; note.textContent = ''; });
	return {
		node: el('div', {class: 'with-buttons'}, input, shown, pick, file, note, kept && el('small', {id: `${id}-help`}, t('keptUnless'))),
		read: () => (many ?? input.value) || undefined,
		forget: () => { many = null; input.value = ''; file.value = ''; note.textContent = ''; input.type = 'password'; },
	};
}

// What a source takes: inputs for its members, which are known from the schema.
function sourceInputs(id, field, current) {
	const place = el('div', {id, class: 'members'});
	let members = [];
	const show = (name) => {
		members = Object.entries(field.sources[name]?.members ?? {}).map(([member, m]) => [member, control(`${id}-${member}`, {...m, nullable: true}, current?.[member])]);
		fill(place, members.map(([member, c]) => el('p', {class: field.sources[name].members[member].type === 'boolean' ? 'check' : null},
			el('label', {for: `${id}-${member}`}, word('field', member), field.sources[name].members[member].required ? ' *' : ''), c.node)));
	};
	return {node: place, show, read: () => {
		const said = members.map(([member, c]) => [member, c.read()]).filter(([, v]) => v !== null && v !== undefined && v !== false);
		return members.length === 0 ? null : Object.fromEntries(said);
	}};
}

// One field: {node, read(), forget?()}.  read() gives undefined for "not said".
function control(id, field, current, extra) {
	const plain = (input, read) => ({node: input, read});

	if (extra?.options) {
		const select = el('select', {id}, extra.options.map(([v, text]) => el('option', {value: v, selected: v === current}, text)));
		select.value = current ?? extra.options[0]?.[0] ?? '';
		return plain(select, () => select.value || null);
	}
	if (field.type === 'password')
		return secretInput(id, extra?.kept);
	if (field.type === 'boolean') {
		const box = el('input', {id, type: 'checkbox', checked: current === true});
		return plain(box, () => box.checked);
	}
	if (field.type === 'enum') {
		const select = el('select', {id}, field.nullable && el('option', {value: ''}, t('none')), (field.options ?? []).map((o) => el('option', {value: o}, word('option', o))));
		select.value = current ?? '';
		return plain(select, () => select.value || null);
	}
	if (field.type === 'date') {
		const input = el('input', {id, type: 'datetime-local', value: current ? toLocal(current) : ''});
		return plain(input, () => (input.value ? new Date(input.value).toISOString().replace(/\.\d+Z/, 'Z') : null));
	}
	if (field.type.startsWith('array[')) {
		const area = el('textarea', {id, rows: 3, value: (current ?? []).join('\n')});
		return {node: [area, el('small', {}, t('listHelp'))], read: () => { const list = area.value.split('\n').map((x) => x.trim()).filter(Boolean); return list.length > 0 ? list : null; }};
	}
	if (field.sources)
		return sourceInputs(id, field, current);
	if (field.type === 'json' || field.type.startsWith('map[')) {
		const area = el('textarea', {id, rows: 4, value: current ? JSON.stringify(current, null, 2) : ''});
		return plain(area, () => (area.value.trim() === '' ? null : JSON.parse(area.value)));
	}
	const input = el('input', {id, type: field.type === 'int' ? 'number' : 'text', value: current ?? '', maxlength: field.maxLength, autocomplete: 'off', spellcheck: 'false'});
	return plain(input, () => (input.value === '' ? null : field.type === 'int' ? Number(input.value) : input.value));
}

const unwanted = new Set(['uuid', 'accountId', 'data', 'removeTime', 'kind']);

// makeForm(schema, {row, first, hide, extra, submit, buttons}): `first` are the fields that everybody sees, the rest lie below
// "More settings"; extra: {field: {options, kept, value}}.  submit(values) may throw an ApiError, which is shown at its field.
export function makeForm(schema, {row = null, first = [], hide = [], only = null, extra = {}, submit, buttons = [], before = []}) {
	const may = row ? 'update' : 'create';
	const fields = Object.entries(schema.resourceFields).filter(([name, f]) => f[may] && !unwanted.has(name) && !hide.includes(name) && (!only || only.includes(name)));
	const ranked = [...fields].sort(([a], [b]) => (first.indexOf(a) + 1 || 99) - (first.indexOf(b) + 1 || 99));
	const summary = el('div', {class: 'errors', role: 'alert', tabindex: '-1'});
	const controls = new Map();
	const line = ([name, f]) => {
		const id = freshId(name);
		const kept = row !== null && f.type === 'password';
		const c = control(id, f, row ? row[name] : extra[name]?.value ?? f.default, {...extra[name], kept});
		const bad = el('small', {class: 'bad', id: `${id}-bad`, hidden: true});
		const label = el('label', {for: id}, extra[name]?.label ?? word('field', name), f.required && !row ? ' *' : '');
		controls.set(name, {...c, id, bad});
		const node = el(f.sources ? 'div' : 'p', {class: f.type === 'boolean' ? 'check' : null}, f.type === 'boolean' ? [c.node, label] : [label, c.node], bad);
		controls.get(name).line = node;
		return node;
	};
	const shown = ranked.filter(([name]) => first.length === 0 || first.includes(name)).map(line);
	const rest = ranked.filter(([name]) => first.length > 0 && !first.includes(name)).map(line);
	const send = el('button', {class: 'primary'}, t(row ? 'save' : 'create'));
	const more = rest.length > 0 ? el('details', {}, el('summary', {}, t('more')), rest) : null;
	const form = el('form', {novalidate: true}, summary, before, shown, more, el('p', {class: 'buttons'}, send, buttons));

	// A login has a password, or a source that gives it one.
	const source = controls.get('source');
	const chooseSource = () => {
		const chosen = source.read();
		controls.get('sourceConfig')?.show(chosen);
		for (const [name, wanted] of [['secretValue', !chosen], ['overlap', !chosen], ['sourceConfig', chosen], ['sourceSecret', chosen]])
			if (controls.get(name))
				controls.get(name).line.hidden = !wanted;
	};
	if (source) {
		source.line.addEventListener('change', chooseSource);
		chooseSource();
	}

	const values = () => {
		const out = {};
		for (const [name, c] of controls) {
			const v = c.line.hidden ? undefined : c.read();
			const old = row ? row[name] : undefined;
			if (v === undefined || (row === null && (v === null || v === '')))
				continue;
			if (row !== null && JSON.stringify(v) === JSON.stringify(old ?? null))
				continue;
			out[name] = v;
		}
		return out;
	};
	const showError = (e) => {
		const at = controls.get(e.fieldName);
		const text = e.status === 0 ? t('unreachable') : e.message;

		fill(summary, el('strong', {}, t('errorTitle')), ' ', at ? el('a', {href: `#${at.id}`, onclick: (ev) => { ev.preventDefault(); document.getElementById(at.id).focus(); }}, `${word('field', e.fieldName)}: ${text}`) : text);
		if (at) {
			at.bad.textContent = text;
			at.bad.hidden = false;
			const input = document.getElementById(at.id);
			input?.setAttribute('aria-invalid', 'true');
			input?.setAttribute('aria-describedby', at.bad.id);
			if (more && more.contains(at.bad))
				more.open = true;
		}
		summary.focus();
	};
	const clearErrors = () => {
		fill(summary);
		for (const c of controls.values()) {
			c.bad.hidden = true;
			document.getElementById(c.id)?.removeAttribute('aria-invalid');
		}
	};
	const busy = async (button, work) => {
		clearErrors();
		button.disabled = true;
		form.setAttribute('aria-busy', 'true');
		try {
			return await work(values());
		} catch (e) {
			showError(e);
			return undefined;
		} finally {
			button.disabled = false;
			form.removeAttribute('aria-busy');
		}
	};
	form.addEventListener('submit', (event) => {
		event.preventDefault();
		busy(send, submit);
	});
	return {node: form, values, busy, showError, forgetSecrets: () => { for (const c of controls.values()) c.forget?.(); }, focus: () => form.querySelector('input,select,textarea')?.focus()};
}
