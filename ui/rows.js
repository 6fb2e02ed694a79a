// rows: what can be done with a row of any type: its details, its form, its actions, several at once.
import {el, fill, dialog, say} from './dom.js';
import {ask, get, forgetRows} from './api.js';
import {t, word} from './text.js';
import {value} from './show.js';

export const nameOf = (row) => row.name || row.publicValue || row.serverAddress || row.id;

export function details(schema, row) {
	const fields = Object.entries(schema.resourceFields);
	const box = dialog(nameOf(row), [
		el('dl', {}, fields.map(([name, f]) => [el('dt', {}, word('field', name)), el('dd', {}, value(row[name], f))])),
		el('p', {class: 'buttons'}, el('button', {type: 'button', onclick: () => box.close()}, t('close')), el('a', {href: row.links.self, target: '_blank', rel: 'noreferrer'}, t('viewApi'))),
	], true);
}

// An edit that compares: a row that somebody changed meanwhile is shown beside what was typed.
export async function edit(schema, row, options, done) {
	let base = await get(row.links.self);
	const {makeForm} = await import('./form.js');
	let etag = base.etag;
	const save = async (values, over = false) => {
		if (Object.keys(values).length > 0)
			base = await ask('PUT', base.links.self, values, {headers: etag && !over ? {'If-Match': etag} : {}});
		form.forgetSecrets();
		box.close();
		forgetRows();
		say(t('saved', {name: nameOf(base)}));
		done();
	};
	const conflict = async (values) => {
		let theirs;
		try {
			theirs = await get(base.links.self);
		} catch (e) {
			form.showError(e.status === 404 ? Object.assign(e, {message: t('goneMeanwhile')}) : e);
			return;
		}
		if (theirs.removed && !base.removed) {
			form.showError({status: 404, message: t('goneMeanwhile')});
			return;
		}
		// What the server itself has changed, such as the time of a renewal, is no conflict.
		const own = theirs.source ? ['expiresAt', 'publicValue'] : [];
		const editable = Object.entries(schema.resourceFields).filter(([n, f]) => f.update && !own.includes(n)).map(([n]) => n);
		if (editable.every((n) => JSON.stringify(theirs[n]) === JSON.stringify(base[n]))) {
			etag = theirs.etag;
			await save(values);
			return;
		}
		const differing = Object.keys(schema.resourceFields).filter((n) => schema.resourceFields[n].update && (n in values || JSON.stringify(theirs[n]) !== JSON.stringify(base[n])));
		const both = dialog(t('changedTitle'), [
			el('p', {}, t('changedText')),
			el('table', {}, el('caption', {class: 'unseen'}, t('changedTitle')), el('thead', {}, el('tr', {}, [t('what'), t('yours'), t('theirs')].map((x) => el('th', {scope: 'col'}, x)))),
				el('tbody', {}, differing.map((n) => el('tr', {}, el('th', {scope: 'row'}, word('field', n)),
					el('td', {'data-label': t('yours')}, value(n in values ? values[n] : base[n], schema.resourceFields[n])), el('td', {'data-label': t('theirs')}, value(theirs[n], schema.resourceFields[n])))))),
			el('p', {class: 'buttons'},
				el('button', {type: 'button', class: 'primary', onclick: () => { both.close(); etag = theirs.etag; form.busy(form.node.querySelector('.primary'), (v) => save(v)); }}, t('keepMine')),
				el('button', {type: 'button', onclick: () => { both.close(); box.close(); done(); }}, t('takeTheirs'))),
		], true);
	};
	const form = makeForm(schema, {...options, row: base, submit: async (values) => {
		try {
			await save(values);
		} catch (e) {
			if (e.status === 404)
				e.message = t('goneMeanwhile');
			if (e.status !== 412)
				throw e;
			await conflict(values);
		}
	}, buttons: el('button', {type: 'button', onclick: () => box.close()}, t('cancel'))});
	const box = dialog(options.title ?? `${t('edit')}: ${nameOf(row)}`, form.node);
	box.addEventListener('close', () => form.forgetSecrets());
	form.focus();
}

const dangerous = new Set(['remove', 'purge', 'delete']);

export async function act(row, action, done) {
	try {
		await ask('POST', row.actions[action] ?? row.links.self, {});
		say(t('changedRow', {action: word('action', action), name: nameOf(row)}));
	} catch (e) {
		say(e.status === 0 ? t('unreachable') : `${nameOf(row)}: ${e.message}`, true);
	}
	forgetRows();
	done();
}

export function confirmThen(question, label, run, typed = null) {
	const input = typed && el('input', {id: 'typed', autocomplete: 'off'});
	const yes = el('button', {type: 'button', class: 'danger', disabled: typed !== null, onclick: () => { box.close(); run(); }}, label);
	input?.addEventListener('input', () => { yes.disabled = input.value.trim() !== String(typed); });
	const box = dialog(question, [typed && el('p', {}, el('label', {for: 'typed'}, t('typeCount', {n: typed})), input),
		el('p', {class: 'buttons'}, yes, el('button', {type: 'button', onclick: () => box.close()}, t('cancel')))]);
}

// The row's own actions, as the server lists them.
export const actionItems = (row, done, without = ['update', 'test', 'setmembers', 'create']) => Object.keys(row.actions ?? {}).filter((a) => !without.includes(a)).map((action) => ({
	text: word('action', action), bad: dangerous.has(action),
	run: () => (dangerous.has(action) ? confirmThen(t('confirmOne', {action: word('action', action), name: nameOf(row)}), word('action', action), () => act(row, action, done)) : act(row, action, done)),
}));

// One after the other, with progress; what the row does not offer counts as failed.
export function bulkActions(names) {
	return (rows, done) => names.map((action) => el('button', {type: 'button', class: dangerous.has(action) ? 'danger' : null, onclick: () => confirmThen(
		t('confirmAction', {action: word('action', action), n: rows.length}), word('action', action), async () => {
			let failed = 0;
			for (const [i, row] of rows.entries()) {
				say(t('working', {done: i, n: rows.length}));
				try {
					if (action === 'remove' && row.state === 'active' && row.actions.deactivate)
						row.actions = (await ask('POST', row.actions.deactivate, {})).actions;
					await ask('POST', row.actions[action] ?? `${row.links.self}?action=${action}`, {});
				} catch {
					failed++;
				}
			}
			say(t('bulkDone', {done: rows.length - failed, failed}), failed > 0);
			forgetRows();
			done();
		}, rows.length > 10 ? rows.length : null)}, word('action', action)));
}
