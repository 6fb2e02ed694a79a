// logins: the table of logins, the form that adds one, and which one an image uses.
import {el, fill, dialog, say, freshId} from './dom.js';
import {ask, get, post, byId, forgetRows} from './api.js';
import {makeTable} from './table.js';
import {details, edit, actionItems, bulkActions, nameOf} from './rows.js';
import {t, word} from './text.js';
import {state, check, expiry, time, badge, now} from './show.js';

const tiles = [['Docker Hub', 'index.docker.io'], ['GitHub', 'ghcr.io'], ['Quay', 'quay.io'], ['GitLab', 'registry.gitlab.com'], ['Amazon ECR', '', '123456789012.dkr.ecr.eu-central-1.amazonaws.com'],
	['Google', '', 'europe-docker.pkg.dev'], ['Azure', '', 'example.azurecr.io'], [null, '']];

const cellLater = (promise, show) => {
	const place = el('span', {}, '…');
	promise.then((x) => fill(place, show(x)));
	return place;
};

const inDays = (n) => new Date(now() + n * 864e5).toISOString().replace(/\.\d+Z/, 'Z');

export async function logins({scope, schemas, params, changed, go}) {
	const schema = schemas.registryCredential;
	const address = (row) => cellLater(byId(scope, 'registries', row.registryId), (r) => r?.serverAddress ?? row.registryId);
	const add = () => addLogin({scope, schemas, done: () => table.reload()});
	const table = makeTable({
		caption: t('logins'), url: `${scope}/registrycredentials`, params, changed,
		rowName: (row) => nameOf(row),
		searches: [['publicValue', t('user')], ['name', t('name')], ['pathPrefix', t('path')]],
		chips: [
			{text: t('notWorking'), set: () => ({verificationResult_notnull: '', verificationResult_ne: 'valid'})},
			{text: t('expiring'), set: () => ({expiresAt_lt: inDays(14)})},
			{text: t('unused'), set: () => ({lastUsed_lt: inDays(-90)})},
			{text: t('inactive'), set: () => ({state: 'inactive'})},
			{text: t('removed'), set: () => ({removed_notnull: ''})},
		],
		columns: [
			{title: t('user'), sort: 'publicValue', cell: (row) => [row.publicValue ?? el('span', {class: 'quiet'}, t('none')), row.isDefault ? [' ', el('span', {class: 'tag'}, t('default'))] : null, row.name ? el('small', {}, row.name) : null]},
			{title: t('registry'), sort: 'registryId', cell: address},
			{title: t('path'), sort: 'pathPrefix', cell: (row) => row.pathPrefix ?? el('span', {class: 'quiet'}, t('all'))},
			{title: t('state'), sort: 'state', cell: state},
			{title: t('works'), sort: 'verificationResult', cell: check},
			{title: t('expires'), sort: 'expiresAt', cell: expiry},
			{title: t('lastUsed'), sort: 'lastUsed', cell: (row) => [time(row.lastUsed), row.lastUsedBy ? [' ', cellLater(byId(scope, 'apikeys', row.lastUsedBy), (k) => t('by', {name: k ? nameOf(k) : row.lastUsedBy}))] : null]},
		],
		rowActions: (row, done) => [
			'update' in row.actions && {text: t('rotate'), run: () => edit(schema, row, {only: row.source ? ['sourceSecret'] : ['publicValue', 'secretValue', 'overlap'], title: `${t('rotate')}: ${nameOf(row)}`, first: ['secretValue']}, done)},
			...actionItems(row, done),
			'update' in row.actions && {text: t('edit'), run: () => edit(schema, row, {first: ['publicValue', 'secretValue', 'source', 'sourceConfig', 'sourceSecret', 'pathPrefix', 'expiresAt']}, done)},
			{text: t('details'), run: () => details(schema, row)},
			{text: t('history'), run: () => go('audit', {resourceId: row.id})},
			{text: t('viewApi'), href: row.links.self, outside: true},
		].filter(Boolean),
		bulk: bulkActions(['verify', 'deactivate', 'remove']),
		empty: () => el('div', {class: 'card first-run'}, el('h2', {}, t('firstTitle')), el('p', {}, t('firstText')), el('ol', {}, [t('first1'), t('first2'), t('first3')].map((x) => el('li', {}, x))),
			schema.collectionMethods.includes('POST') && registryTiles((choice) => addLogin({scope, schemas, choice, done: () => table.reload()}))),
	});
	table.reload();
	return [el('div', {class: 'title'}, el('h1', {}, t('logins')), schema.collectionMethods.includes('POST') && el('button', {type: 'button', class: 'primary', onclick: add}, t('addLogin'))), table.node];
}

function registryTiles(pick, chosen = null) {
	const group = el('div', {class: 'tiles', role: 'group', 'aria-label': t('registry')}, tiles.map((tile) => {
		const button = el('button', {type: 'button', class: 'tile', 'aria-pressed': String(tile === chosen), onclick: () => {
			for (const b of group.children)
				b.setAttribute('aria-pressed', String(b === button));
			pick(tile);
		}}, tile[0] ?? t('other'));
		return button;
	}));
	return group;
}

// The registry of this address: the one that is there, or a new one.
async function registryFor(scope, address, known) {
	const found = known.find((r) => r.serverAddress === address);

	if (found)
		return found;
	const row = await post(`${scope}/registries`, {serverAddress: address});
	known.push(row);
	say(t('registryAdded', {name: row.serverAddress}));
	return row;
}

async function addLogin({scope, schemas, choice = null, done}) {
	const schema = schemas.registryCredential;
	const known = (await get(`${scope}/registries?limit=1000&state_ne=inactive`)).data;
	const {makeForm} = await import('./form.js');
	const listId = freshId('known');
	const addressId = freshId('address');
	const address = el('input', {id: addressId, list: listId, value: choice?.[1] ?? '', placeholder: choice?.[2], autocomplete: 'off', spellcheck: 'false', 'aria-describedby': `${addressId}-help`});
	const preview = el('small', {id: `${addressId}-help`}, t('addressHelp'));
	const outcome = el('div', {role: 'status', class: 'outcome'});
	const look = async () => {
		if (address.value.trim() === '')
			return fill(preview, t('addressHelp'));
		try {
			const read = await post(`${scope}/imagelogins`, {serverAddress: address.value.trim()});
			fill(preview, t('thisIs', {name: read.registry}));
		} catch (e) {
			fill(preview, e.status === 422 ? e.message : t('addressHelp'));
		}
		return undefined;
	};
	address.addEventListener('change', look);
	const before = el('fieldset', {}, el('legend', {}, t('registry')),
		registryTiles((tile) => { address.value = tile[1]; address.placeholder = tile[2] ?? ''; look(); (tile[1] ? form.node.querySelector('[id^=publicValue]') : address).focus(); }, choice),
		el('p', {}, el('label', {for: addressId}, t('address')), address, el('datalist', {id: listId}, known.map((r) => el('option', {value: r.serverAddress}))), preview));
	const needAddress = () => {
		if (address.value.trim() === '')
			throw Object.assign(new Error(t('addressHelp')), {fieldName: null});
		return address.value.trim();
	};
	const trial = el('button', {type: 'button', onclick: () => form.busy(trial, async (values) => {
		if (values.source)
			throw new Error(t('trySource'));
		const registry = await registryFor(scope, needAddress(), known);
		fill(outcome, t('trying', {name: registry.serverAddress}));
		try {
			const answer = await ask('POST', registry.actions?.test ?? `${registry.links.self}?action=test`, {publicValue: values.publicValue ?? null, secretValue: values.secretValue ?? null});
			fill(outcome, badge(answer.verificationResult === 'valid' ? 'good' : 'bad', word('check', answer.verificationResult)), ' ', t('tried', {text: answer.verificationMessage ?? '', ms: answer.verificationMs ?? 0}));
		} catch (e) {
			fill(outcome);
			throw e;
		}
	})}, t('tryIt'));
	const form = makeForm(schema, {
		first: ['publicValue', 'secretValue', 'source', 'sourceConfig', 'sourceSecret'], hide: ['registryId'], before, extra: {email: {value: 'none@example.invalid'}},
		submit: async (values) => {
			const registry = await registryFor(scope, needAddress(), known);
			const row = await post(`${scope}/registrycredentials`, {...values, registryId: registry.id});
			form.forgetSecrets();
			box.close();
			forgetRows();
			say(t('created', {name: nameOf(row)}));
			done();
		},
		buttons: [trial, el('button', {type: 'button', onclick: () => box.close()}, t('cancel'))],
	});
	form.node.querySelector('.buttons').before(outcome);
	const box = dialog(t('addLogin'), form.node, true);
	box.addEventListener('close', () => form.forgetSecrets());
	if (choice?.[1]) {
		look();
		form.node.querySelector('[id^=publicValue]').focus();
	} else {
		address.focus();
	}
}

export async function which({scope, params, changed}) {
	const id = freshId('image');
	const input = el('input', {id, value: params.get('image') ?? '', autocomplete: 'off', spellcheck: 'false', 'aria-describedby': `${id}-help`});
	const place = el('div', {role: 'status'});
	const run = async () => {
		const image = input.value.trim();
		if (image === '')
			return;
		params.set('image', image);
		changed(params);
		fill(place, t('loading'));
		let answer;
		try {
			answer = await post(`${scope}/imagelogins`, {image});
		} catch (e) {
			fill(place, el('p', {class: 'bad', role: 'alert'}, e.status === 0 ? t('unreachable') : e.message));
			return;
		}
		const others = answer.others ?? [];
		fill(place,
			el('div', {class: 'card'}, el('h2', {}, t(answer.registryCredentialId ? 'uses' : 'usesNone', {image})),
				answer.registryCredentialId && el('p', {class: 'big'}, answer.publicValue ?? answer.registryCredentialId, ' @ ', answer.serverAddress ?? answer.registry),
				el('p', {}, el('strong', {}, t('why'), ': '), answer.reasonText ?? word('reason', answer.reason))),
			others.length > 0 && el('table', {}, el('caption', {}, t('otherLogins')),
				el('thead', {}, el('tr', {}, [t('user'), t('registry'), t('why')].map((x) => el('th', {scope: 'col'}, x)))),
				el('tbody', {}, others.map((o) => el('tr', {}, el('th', {scope: 'row', 'data-label': t('user')}, o.publicValue ?? o.registryCredentialId ?? ''),
					el('td', {'data-label': t('registry')}, o.serverAddress ?? o.registryId ?? ''), el('td', {'data-label': t('why')}, o.reasonText ?? word('reason', o.reason)))))));
	};
	if (input.value)
		run();
	return [el('h1', {}, t('which')), el('form', {onsubmit: (e) => { e.preventDefault(); run(); }}, el('p', {}, el('label', {for: id}, t('image')), input, el('small', {id: `${id}-help`}, t('imageHelp'))), el('p', {class: 'buttons'}, el('button', {class: 'primary'}, t('ask')))), place];
}
