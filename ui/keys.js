// keys: API keys, made for a purpose, with what to paste where.
import {el, fill, dialog, say} from './dom.js';
import {post, get, root, forgetRows} from './api.js';
import {makeTable} from './table.js';
import {makeForm} from './form.js';
import {details, edit, actionItems, bulkActions, nameOf} from './rows.js';
import {t, word} from './text.js';
import {state, expiry, time} from './show.js';

const purposes = {
	host: {role: 'reveal', text: 'forHost'}, ci: {role: 'reveal', text: 'forCi'}, kubernetes: {role: 'reveal', text: 'forKubernetes'}, inject: {role: 'inject', text: 'forInject'}, api: {role: null, text: 'forApi'},
};

// What to put where, by purpose.  The secret stands in files, never on a command line.
const snippets = {
	host: (k) => [['/etc/regcred/host.key (0600)', `REGCRED_URL=${root}\nREGCRED_ACCESS_KEY=${k.publicValue}\nREGCRED_SECRET_KEY=${k.secretValue}\n`], ['', 'regcred docker-setup --key-file /etc/regcred/host.key\n']],
	ci: (k) => [['REGCRED_KEY', `${k.publicValue}:${k.secretValue}`], ['job', `printf 'user = "%s"\\n' "$REGCRED_KEY" |\n  curl -fsS -K - -X POST -H 'Content-Type: application/json' \\\n  -d '{"format":"docker"}' ${root}/v1/handouts > ~/.docker/config.json\n`]],
	kubernetes: (k) => [['REGCRED_KEY', `${k.publicValue}:${k.secretValue}`], ['', `printf 'user = "%s"\\n' "$REGCRED_KEY" |\n  curl -fsS -K - -X POST -H 'Content-Type: application/json' \\\n  -d '{"format":"kubernetes","name":"regcred"}' ${root}/v1/handouts | kubectl apply -f -\n`]],
	inject: (k) => [['/etc/containerd/certs.d/registry.example.com/hosts.toml', `[host."${root}"]\n  capabilities = ["pull", "resolve"]\n  [host."${root}".header]\n    X-API-Key = "${k.publicValue}:${k.secretValue}"\n`]],
	api: (k) => [['~/.config/regcred/key (0600)', `REGCRED_URL=${root}\nREGCRED_ACCESS_KEY=${k.publicValue}\nREGCRED_SECRET_KEY=${k.secretValue}\n`]],
};

const bounds = (row) => {
	const list = [row.registryIds?.length ? t('boundRegistries', {n: row.registryIds.length}) : null, row.pathPrefixes?.length ? t('boundPaths', {list: row.pathPrefixes.join(', ')}) : null, row.networks?.length ? t('boundNetworks', {list: row.networks.join(', ')}) : null].filter(Boolean);
	return list.length > 0 ? list.join('; ') : el('span', {class: 'quiet'}, t('anywhere'));
};

function showOnce(key, purpose, done) {
	const text = snippets[purpose](key).map(([where, what]) => (where ? `# ${where}\n${what}` : what)).join('\n');
	const copy = (what) => el('button', {type: 'button', onclick: async (e) => { await navigator.clipboard.writeText(what); e.target.textContent = t('copied'); }}, t('copy'));
	const link = el('a', {download: `${nameOf(key)}.txt`, href: URL.createObjectURL(new Blob([text], {type: 'text/plain'}))}, t('download'));
	const box = dialog(nameOf(key), [
		el('p', {class: 'notice'}, t('keyOnce')),
		el('dl', {}, el('dt', {}, t('accessKey')), el('dd', {}, el('code', {}, key.publicValue), ' ', copy(key.publicValue)), el('dt', {}, t('secretKey')), el('dd', {}, el('code', {}, key.secretValue), ' ', copy(key.secretValue))),
		el('h3', {}, t('putWhere')),
		snippets[purpose](key).map(([where, what]) => [where && el('p', {}, el('strong', {}, where)), el('pre', {tabindex: '0'}, what), copy(what)]),
		el('p', {class: 'buttons'}, link, el('button', {type: 'button', class: 'primary', onclick: () => box.close()}, t('done'))),
	], true);
	box.addEventListener('close', () => { URL.revokeObjectURL(link.href); key.secretValue = null; done(); });
}

export async function keys({scope, schemas, params, changed, go}) {
	const schema = schemas.apiKey;
	const add = async () => {
		const registries = (await get(`${scope}/registries?limit=1000`).catch(() => ({data: []}))).data;
		let purpose = 'host';
		const group = el('fieldset', {class: 'tiles'}, el('legend', {}, t('keyFor')), Object.entries(purposes).map(([name, p]) => {
			const id = `purpose-${name}`;
			return el('p', {class: 'check'}, el('input', {type: 'radio', name: 'purpose', id, checked: name === purpose, onchange: () => { purpose = name; }}), el('label', {for: id}, t(p.text)));
		}));
		const form = makeForm(schema, {
			first: ['name', 'expires', 'pathPrefixes', 'networks'], hide: ['role', 'reveal'], before: group,
			submit: async (values) => {
				const key = await post(`${scope}/apikeys`, {...values, role: purposes[purpose].role});
				box.close();
				forgetRows();
				showOnce(key, purpose, () => table.reload());
			},
			buttons: el('button', {type: 'button', onclick: () => box.close()}, t('cancel')),
		});
		if (registries.length > 0)
			form.node.querySelector('details')?.append(el('p', {class: 'quiet'}, registries.map((r) => `${r.id} ${r.serverAddress}`).join(', ')));
		const box = dialog(t('newKey'), form.node, true);
		form.node.querySelector('[id^=name]')?.focus();
	};
	const table = makeTable({
		caption: t('keys'), url: `${scope}/apikeys`, params, changed, rowName: nameOf,
		searches: [['name', t('name')], ['publicValue', t('accessKey')]],
		chips: [{text: t('inactive'), set: () => ({state: 'inactive'})}, {text: t('removed'), set: () => ({removed_notnull: ''})}],
		columns: [
			{title: t('name'), sort: 'name', cell: (row) => [row.name ?? el('span', {class: 'quiet'}, t('none')), el('small', {}, row.publicValue)]},
			{title: t('role'), sort: 'role', cell: (row) => row.role ? word('option', row.role) : row.reveal ? word('field', 'reveal') : el('span', {class: 'quiet'}, t('all'))},
			{title: t('bounds'), cell: bounds},
			{title: t('state'), sort: 'state', cell: state},
			{title: t('expires'), sort: 'expires', cell: (row) => expiry(row, 'expires')},
			{title: t('lastUsed'), sort: 'lastUsed', cell: (row) => [time(row.lastUsed), row.lastUsedAddress ? el('small', {}, row.lastUsedAddress) : null]},
		],
		rowActions: (row, done) => [
			...actionItems(row, done),
			'update' in row.actions && {text: t('edit'), run: () => edit(schema, row, {}, done)},
			{text: t('details'), run: () => details(schema, row)},
			{text: t('history'), run: () => go('audit', {keyId: row.id})},
			{text: t('viewApi'), href: row.links.self, outside: true},
		].filter(Boolean),
		bulk: bulkActions(['deactivate', 'remove']),
	});
	table.reload();
	return [el('div', {class: 'title'}, el('h1', {}, t('keys')), schema.collectionMethods.includes('POST') && el('button', {type: 'button', class: 'primary', onclick: add}, t('newKey'))), table.node];
}
