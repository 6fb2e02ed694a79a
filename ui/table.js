// table: any collection as a table.  The server filters, sorts and pages; one page is in memory.
import {el, fill, menu, freshId} from './dom.js';
import {get} from './api.js';
import {t, word} from './text.js';

// makeTable({caption, url, params, columns, rowName, rowActions, empty, select}) →  {node, reload}
// columns: [{title, sort, cell(row)}]; params: a URLSearchParams that the table changes, and `changed` is told.
export function makeTable({caption, url, params, columns, rowName, rowActions, chips = [], searches = [], empty, bulk = null, changed = () => {}}) {
	const place = el('div', {class: 'table-place'});
	const count = el('p', {role: 'status', class: 'quiet'});
	const bulkBar = el('div', {class: 'bulk', hidden: true});
	const chosen = new Map();
	let turn = 0;

	const go = (change) => {
		change(params);
		params.delete('marker');
		changed(params);
		reload();
	};
	const sortBy = (name) => go((p) => {
		const down = p.get('sort') === name && p.get('order') !== 'desc';
		p.set('sort', name);
		p[down ? 'set' : 'delete']('order', 'desc');
	});

	const chipBar = el('div', {class: 'chips', role: 'group', 'aria-label': t('filters')}, chips.map((chip) => {
		const isOn = () => Object.entries(chip.set()).every(([k, v]) => params.get(k) === String(v));
		const on = el('button', {type: 'button', class: 'chip', 'aria-pressed': String(isOn()), onclick: () => {
			const pressed = on.getAttribute('aria-pressed') === 'true';
			for (const b of chipBar.children)
				b.setAttribute('aria-pressed', 'false');
			on.setAttribute('aria-pressed', String(!pressed));
			go((p) => {
				for (const c of chips)
					for (const k of Object.keys(c.set()))
						p.delete(k);
				if (!pressed)
					for (const [k, v] of Object.entries(chip.set()))
						p.set(k, v);
			});
		}}, chip.text);
		return on;
	}));

	const searchBar = searches.length === 0 ? null : (() => {
		const at = searches.find(([field]) => params.has(`${field}_like`))?.[0] ?? searches[0][0];
		const id = freshId('search');
		const field = el('select', {'aria-label': t('searchIn')}, searches.map(([name, text]) => el('option', {value: name}, text)));
		field.value = at;
		const input = el('input', {id, type: 'search', value: (params.get(`${at}_like`) ?? '').replace(/^%|%$/g, '')});
		const run = () => go((p) => {
			for (const [name] of searches)
				p.delete(`${name}_like`);
			if (input.value.trim() !== '')
				p.set(`${field.value}_like`, `%${input.value.trim()}%`);
		});
		return el('form', {role: 'search', onsubmit: (e) => { e.preventDefault(); run(); }}, el('label', {for: id}, t('search')), input, field, el('button', {}, t('search')));
	})();

	const drawBulk = () => {
		bulkBar.hidden = chosen.size === 0;
		fill(bulkBar, el('strong', {}, t('selected', {n: chosen.size})), bulk && chosen.size > 0 ? bulk([...chosen.values()], reload) : null);
	};

	function head() {
		const sorted = params.get('sort');
		return el('thead', {}, el('tr', {},
			bulk && el('th', {scope: 'col', class: 'narrow'}, el('input', {type: 'checkbox', 'aria-label': t('selectAll'), onchange: (e) => {
				for (const box of place.querySelectorAll('tbody input[type=checkbox]'))
					if (box.checked !== e.target.checked)
						box.click();
			}})),
			columns.map((c) => el('th', {scope: 'col', 'aria-sort': c.sort && c.sort === sorted ? (params.get('order') === 'desc' ? 'descending' : 'ascending') : null},
				c.sort ? el('button', {type: 'button', class: 'plain sort', title: t('sortBy', {name: c.title}), onclick: () => sortBy(c.sort)}, c.title,
					el('span', {'aria-hidden': 'true'}, c.sort !== sorted ? ' ↕' : params.get('order') === 'desc' ? ' ↓' : ' ↑')) : c.title)),
			rowActions && el('th', {scope: 'col'}, el('span', {class: 'unseen'}, t('actions')))));
	}

	function line(row) {
		const name = rowName(row);
		return el('tr', {},
			bulk && el('td', {class: 'narrow'}, el('input', {type: 'checkbox', 'aria-label': t('select', {name}), checked: chosen.has(row.id), onchange: (e) => {
				e.target.checked ? chosen.set(row.id, row) : chosen.delete(row.id);
				drawBulk();
			}})),
			columns.map((c, i) => el(i === 0 ? 'th' : 'td', {scope: i === 0 ? 'row' : null, 'data-label': c.title}, c.cell(row))),
			rowActions && el('td', {class: 'narrow'}, menu('⋯', t('actionsFor', {name}), () => rowActions(row, reload))));
	}

	function pages(p) {
		const link = (target, text) => target && el('button', {type: 'button', onclick: () => {
			const marker = new URL(target).searchParams.get('marker');
			marker ? params.set('marker', marker) : params.delete('marker');
			changed(params);
			reload();
		}}, text);
		const links = [link(p?.first && params.get('marker') ? p.first : null, t('first')), link(p?.previous, t('previous')), link(p?.next, t('next'))].filter(Boolean);
		return links.length > 0 && el('nav', {'aria-label': t('pages'), class: 'buttons'}, links);
	}

	async function reload() {
		await load();
		document.dispatchEvent(new Event('rows'));
	}

	async function load() {
		const mine = ++turn;
		place.setAttribute('aria-busy', 'true');
		if (!place.firstChild)
			fill(place, el('p', {class: 'quiet'}, t('loading')));
		let list;
		try {
			list = await get(`${url}?${params}`);
		} catch (e) {
			if (mine === turn)
				fill(place, el('p', {class: 'bad', role: 'alert'}, e.status === 0 ? t('unreachable') : e.message), el('button', {type: 'button', onclick: reload}, t('tryAgain')));
			return;
		} finally {
			if (mine === turn)
				place.removeAttribute('aria-busy');
		}
		if (mine !== turn)
			return;
		chosen.clear();
		drawBulk();
		const filtered = [...params.keys()].some((k) => !['sort', 'order', 'limit', 'marker'].includes(k));
		count.textContent = t('results', {n: list.data.length});
		if (list.data.length === 0 && !filtered && !params.get('marker') && empty) {
			fill(place, empty());
			return;
		}
		fill(place, list.data.length === 0
			? el('p', {}, t('noResults'), ' ', el('button', {type: 'button', onclick: () => {
				for (const k of [...params.keys()])
					params.delete(k);
				for (const b of chipBar.children)
					b.setAttribute('aria-pressed', 'false');
				changed(params);
				reload();
			}}, t('clear')))
			: el('table', {}, el('caption', {class: 'unseen'}, caption), head(), el('tbody', {}, list.data.map(line))),
			pages(list.pagination));
	}

	return {node: el('section', {}, el('div', {class: 'tools'}, searchBar, chips.length > 0 && chipBar), bulkBar, count, place), reload};
}

export const fieldColumns = (schema, names, show) => names.filter((n) => n in schema.resourceFields).map((n) => ({
	title: word('field', n), sort: schema.collectionFilters && n in schema.collectionFilters ? n : null, cell: (row) => show(row[n], schema.resourceFields[n]),
}));
