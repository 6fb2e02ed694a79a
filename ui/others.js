// others: the audit log, projects with their members, registries, and how everything is.
import {el, fill, dialog, say} from './dom.js';
import {ask, get, post, byId, forgetRows, root} from './api.js';
import {makeTable} from './table.js';
import {makeForm} from './form.js';
import {details, edit, actionItems, nameOf} from './rows.js';
import {t, word} from './text.js';
import {state, time, badge, now} from './show.js';

const later = (promise, show) => {
	const place = el('span', {}, '…');
	promise.then((x) => fill(place, show(x)));
	return place;
};

const who = (scope) => (row) => {
	if (row.proxyUser)
		return row.proxyUser;
	if (row.keyId)
		return later(byId(scope, 'apikeys', row.keyId), (k) => [k ? nameOf(k) : row.keyId, el('small', {}, row.keyId)]);
	return row.publicValue ?? row.accountId ?? row.authType ?? '';
};

// The name of the row that an entry is about, beside its id.
const about = (scope, schemas) => (row) => {
	const plural = schemas[row.resourceType]?.pluralName?.toLowerCase();

	return [plural && row.resourceId ? later(byId(scope, plural, row.resourceId), (r) => (r ? nameOf(r) : word('type', row.resourceType))) : word('type', row.resourceType ?? ''), row.resourceId && el('small', {}, row.resourceId)];
};

function changes(text) {
	let all;
	try {
		all = Object.entries(JSON.parse(text));
	} catch {
		return text ?? '';
	}
	return all.map(([name, c]) => el('div', {}, el('strong', {}, word('field', name)), ': ', c?.secret ? '••••••' : c && typeof c === 'object' && 'new' in c ? `${'old' in c ? `${c.old ?? '–'} → ` : ''}${c.new ?? '–'}` : JSON.stringify(c)));
}

export async function audit({scope, schemas, params, changed}) {
	const table = makeTable({
		caption: t('audit'), url: `${scope}/auditlogs`, params, changed, rowName: (row) => row.id,
		searches: [['eventType', t('what')], ['resourceId', t('row')], ['clientIp', t('from')], ['proxyUser', t('who')]],
		columns: [
			{title: t('when'), sort: 'created', cell: (row) => [time(row.created), el('small', {}, row.created)]},
			{title: t('who'), cell: who(scope)},
			{title: t('what'), sort: 'eventType', cell: (row) => [word('event', row.eventType ?? ''), row.attempts > 1 && el('small', {}, t('times', {n: row.attempts}))]},
			{title: t('row'), cell: about(scope, schemas)},
			{title: t('from'), sort: 'clientIp', cell: (row) => row.clientIp ?? ''},
			{title: t('changes'), cell: (row) => changes(row.changes)},
		],
	});
	const save = async () => {
		const lines = [];
		let url = `${scope}/auditlogs?${new URLSearchParams([...params, ['limit', '1000']])}`;
		while (url) {
			const page = await get(url);
			lines.push(...page.data.map((row) => JSON.stringify({...row, links: undefined, actions: undefined})));
			say(t('exported', {n: lines.length}));
			url = page.pagination?.next;
		}
		const link = el('a', {download: 'audit.jsonl', href: URL.createObjectURL(new Blob([lines.join('\n'), '\n'], {type: 'application/jsonl'}))});
		link.click();
		setTimeout(() => URL.revokeObjectURL(link.href), 1000);
	};
	table.reload();
	return [el('div', {class: 'title'}, el('h1', {}, t('audit')), el('button', {type: 'button', onclick: () => save().catch((e) => say(e.message, true))}, t('exportLines'))), table.node];
}

async function members(project, done) {
	const list = (await get(project.links.projectMembers ?? `${project.links.self}/projectmembers`)).data.map((m) => ({externalId: m.externalId, externalIdType: m.externalIdType, role: m.role}));
	const roles = ['owner', 'member', 'restricted', 'readonly'];
	const body = el('tbody');
	const role = (m) => {
		const select = el('select', {'aria-label': `${t('role')}: ${m.externalId}`, onchange: () => { m.role = select.value; }}, roles.map((r) => el('option', {value: r}, word('option', r))));
		select.value = m.role;
		return select;
	};
	const draw = () => fill(body, list.map((m, i) => el('tr', {}, el('th', {scope: 'row'}, later(byId('', 'accounts', m.externalId), (a) => [a ? nameOf(a) : m.externalId, el('small', {}, m.externalId)])), el('td', {}, role(m)),
		el('td', {class: 'narrow'}, el('button', {type: 'button', 'aria-label': `${t('remove')}: ${m.externalId}`, onclick: () => { list.splice(i, 1); draw(); }}, t('remove'))))));
	const id = el('input', {id: 'member', placeholder: '1a7'});
	const bad = el('div', {class: 'errors', role: 'alert'});
	const may = project.actions.setmembers;
	const save = async () => {
		try {
			await ask('POST', may, {members: list});
			box.close();
			say(t('saved', {name: nameOf(project)}));
			forgetRows();
			done();
		} catch (e) {
			fill(bad, e.status === 0 ? t('unreachable') : e.message);
		}
	};
	draw();
	const box = dialog(`${t('members')}: ${nameOf(project)}`, [bad, el('table', {}, el('caption', {class: 'unseen'}, t('members')), el('thead', {}, el('tr', {}, [t('name'), t('role'), t('actions')].map((x) => el('th', {scope: 'col'}, x)))), body),
		may && el('p', {}, el('label', {for: 'member'}, t('memberId')), id, el('button', {type: 'button', onclick: () => { if (id.value.trim()) { list.push({externalId: id.value.trim(), externalIdType: 'rancher_id', role: 'member'}); id.value = ''; draw(); } }}, t('addMember'))),
		el('p', {class: 'buttons'}, may && el('button', {type: 'button', class: 'primary', onclick: save}, t('save')), el('button', {type: 'button', onclick: () => box.close()}, t(may ? 'cancel' : 'close')))], true);
}

// A plain screen for a type: its table, a form from its schema, the row's own actions.
function plain(type, url, title, addText, columns, more = () => []) {
	return async ({scope, schemas, params, changed, go}) => {
		const schema = schemas[type];
		const add = () => {
			const form = makeForm(schema, {submit: async (values) => { const row = await post(url(scope), values); box.close(); forgetRows(); say(t('created', {name: nameOf(row)})); table.reload(); }, buttons: el('button', {type: 'button', onclick: () => box.close()}, t('cancel'))});
			const box = dialog(addText(), form.node);
			form.focus();
		};
		const table = makeTable({
			caption: title(), url: url(scope), params, changed, rowName: nameOf, searches: [['name', t('name')]], chips: [{text: t('inactive'), set: () => ({state: 'inactive'})}, {text: t('removed'), set: () => ({removed_notnull: ''})}],
			columns: columns(), rowActions: (row, done) => [...more(row, done), ...actionItems(row, done), 'update' in row.actions && {text: t('edit'), run: () => edit(schema, row, {}, done)}, {text: t('details'), run: () => details(schema, row)},
				{text: t('history'), run: () => go('audit', {resourceId: row.id})}, {text: t('viewApi'), href: row.links.self, outside: true}].filter(Boolean),
		});
		table.reload();
		return [el('div', {class: 'title'}, el('h1', {}, title()), schema.collectionMethods.includes('POST') && el('button', {type: 'button', class: 'primary', onclick: add}, addText())), table.node];
	};
}

export const registries = plain('registry', (scope) => `${scope}/registries`, () => t('registries'), () => t('newRegistry'), () => [
	{title: t('address'), cell: (row) => [row.serverAddress, row.name && el('small', {}, row.name)]}, {title: t('state'), sort: 'state', cell: state}, {title: t('created_'), sort: 'created', cell: (row) => time(row.created)}, {title: t('description'), sort: 'description', cell: (row) => row.description ?? ''}]);

export const projects = plain('project', () => '/projects', () => t('projects'), () => t('newProject'), () => [
	{title: t('name'), sort: 'name', cell: (row) => [row.name ?? '', el('small', {}, row.id)]}, {title: t('state'), sort: 'state', cell: state}, {title: t('created_'), sort: 'created', cell: (row) => time(row.created)}, {title: t('description'), sort: 'description', cell: (row) => row.description ?? ''},
], (row, done) => [{text: t('members'), run: () => members(row, done).catch((e) => say(e.message, true))}]);

export async function health({scope, schemas}) {
	const soon = new Date(now() + 14 * 864e5).toISOString().replace(/\.\d+Z/, 'Z');
	const list = (title, url, show) => {
		const place = el('div', {}, t('loading'));
		get(url).then((page) => fill(place, page.data.length === 0 ? t('nothingHere') : el('ul', {}, page.data.map((row) => el('li', {}, nameOf(row), ': ', show(row))))), (e) => fill(place, e.message));
		return el('section', {class: 'card'}, el('h2', {}, title), place);
	};
	const ping = el('p', {role: 'status'}, t('loading'));
	fetch(`${root}/ping`, {cache: 'no-store'}).then(async (r) => fill(ping, badge(r.ok ? 'good' : 'bad', r.ok ? t('pingOk') : t('pingBad', {text: (await r.text()).slice(0, 300)}))), () => fill(ping, badge('bad', t('unreachable'))));
	const filters = schemas.registryCredential.collectionFilters ?? {};
	return [el('h1', {}, t('health')), ping,
		list(t('failingChecks'), `${scope}/registrycredentials?state=active&verificationResult_notnull&verificationResult_ne=valid&verificationResult_ne=anonymousAccess`, (row) => [word('check', row.verificationResult), ' ', time(row.verifiedAt)]),
		'refreshResult' in filters && list(t('refreshing'), `${scope}/registrycredentials?state=active&refreshResult_notnull&refreshResult_ne=refreshed`, (row) => row.refreshMessage ?? word('refresh', row.refreshResult)),
		list(t('expiringSoon'), `${scope}/registrycredentials?state=active&expiresAt_lt=${soon}`, (row) => time(row.expiresAt)),
		list(t('keysExpiring'), `${scope}/apikeys?state=active&expires_lt=${soon}`, (row) => time(row.expires)),
		schemas.session && list(t('sessions'), '/sessions', (row) => [time(row.lastUsed), ' ', row.lastUsedAddress ?? '', ' ', el('button', {type: 'button', onclick: (e) => ask('DELETE', row.links.self).then(() => e.target.closest('li').remove(), (x) => say(x.message, true))}, t('endSession'))])].filter(Boolean);
}
