// app: which screen is shown, for which project, and who is signed in.
import {el, fill, dialog, say} from './dom.js';
import {ask, get, loadSchema, loadSchemas, forgetSchemas, forgetRows, onSignInNeeded, ApiError} from './api.js';
import {t, languages, language, preferred, useLanguage} from './text.js';
import {noteServerDate} from './show.js';
import {logins, which} from './logins.js';

// What is not needed for the first table is fetched when its screen is opened.
const later = (file, name) => async (at) => {
	const screen = await import(file).catch(() => { throw new ApiError(0); });
	return screen[name](at);
};
const screens = {
	logins: {show: logins, needs: 'registryCredential'}, which: {show: which, needs: 'imageLogin'}, keys: {show: later('./keys.js', 'keys'), needs: 'apiKey'},
	audit: {show: later('./others.js', 'audit'), needs: 'auditLog'}, registries: {show: later('./others.js', 'registries'), needs: 'registry'},
	projects: {show: later('./others.js', 'projects'), needs: 'project'}, health: {show: later('./others.js', 'health'), needs: 'registryCredential'},
};

const top = document.getElementById('top');
const main = document.getElementById('main');
let list = []; // the projects that this account sees
let project = null;
let session = false; // signed in here, so that one can sign out here

// #/PROJECT/SCREEN?parameters
function place() {
	const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
	const [id, screen = 'logins'] = path.split('/');

	return {id, screen, params: new URLSearchParams(query)};
}
const link = (screen, params = {}) => `#/${project?.id ?? '-'}/${screen}${Object.keys(params).length > 0 ? `?${new URLSearchParams(params)}` : ''}`;

// One form for signing in at the start and again later; the dialog leaves all that is below it as it is.
let signing = null;
function signIn(again) {
	signing ??= new Promise((resolve) => {
		const bad = el('div', {class: 'errors', role: 'alert'});
		const access = el('input', {id: 'access', autocomplete: 'username', spellcheck: 'false', required: true});
		const secret = el('input', {id: 'secret', type: 'password', autocomplete: 'off', required: true});
		const form = el('form', {}, bad, el('p', {}, t(again ? 'signInAgain' : 'signInText')), el('p', {}, el('label', {for: 'access'}, t('accessKey')), access), el('p', {}, el('label', {for: 'secret'}, t('secretKey')), secret), el('p', {class: 'buttons'}, el('button', {class: 'primary'}, t('signIn'))));
		form.addEventListener('submit', async (event) => {
			event.preventDefault();
			const body = {accessKey: access.value.trim(), secretKey: secret.value.trim()};
			secret.value = '';
			try {
				await ask('POST', '/sessions', body, {signIn: false});
			} catch (e) {
				fill(bad, e.status === 401 ? t('wrongKey') : e.status === 0 ? t('unreachable') : e.message);
				secret.focus();
				return;
			}
			session = true;
			signing = null;
			box.close();
			resolve();
		});
		const box = dialog(t('signInTitle'), form);
		box.addEventListener('cancel', (e) => e.preventDefault());
		access.focus();
	});
	return signing;
}

function draw(schemas, here, all = false) {
	const nav = el('nav', {'aria-label': t('navigation')}, el('ul', {}, Object.entries(screens).filter(([, s]) => schemas && (all || s.needs in schemas)).map(([name]) => el('li', {}, el('a', {href: link(name), 'aria-current': name === here ? 'page' : null}, t(name))))));
	const choose = el('select', {'aria-label': t('project'), onchange: () => { location.hash = `#/${choose.value}/${place().screen}`; }}, list.map((p) => el('option', {value: p.id}, p.name ?? p.id)));
	const speak = el('select', {'aria-label': t('language'), onchange: async () => { await useLanguage(speak.value); show(); }}, Object.entries(languages).map(([name, text]) => el('option', {value: name, lang: name}, text)));
	choose.value = project?.id ?? '';
	speak.value = language;
	fill(top, el('a', {class: 'brand', href: link('logins')}, t('appName')), list.length > 0 && choose, nav, speak, session && el('button', {type: 'button', onclick: signOut}, t('signOut')));
}

async function signOut() {
	await ask('DELETE', '/sessions/current', undefined, {signIn: false}).catch(() => {});
	location.reload();
}

// Once the rows of the first table are there, or have not come in a while.
function afterRows(work) {
	const timer = setTimeout(go, 3000);

	function go() {
		clearTimeout(timer);
		document.removeEventListener('rows', go);
		work().catch(() => {});
	}
	document.addEventListener('rows', go);
}

let turn = 0;
async function show() {
	const mine = ++turn;
	const {id, screen, params} = place();

	try {
		if (list.length === 0)
			list = (await get('/projects')).data;
		project = list.find((p) => p.id === id) ?? list[0] ?? null;
		const scope = project ? `/projects/${project.id}` : '';
		const schemas = screen === 'logins' ? await loadSchema(scope, screens.logins.needs) : await loadSchemas(scope);
		const some = Object.keys(schemas).length === 1;
		if (mine !== turn)
			return;
		draw(schemas, screen, some);
		if (some)
			afterRows(async () => {
				Object.assign(schemas, await loadSchemas(scope));
				if (mine === turn)
					draw(schemas, screen);
			});
		document.title = `${t(screen)} – regcred`;
		if (!(screen in screens)) {
			fill(main, el('p', {}, t('notFound')));
			return;
		}
		// Filters stand in the address, so that back, forward, reload and a second tab lead to the same rows.
		const changed = (p) => history.replaceState(null, '', `${location.pathname}#/${project?.id ?? '-'}/${screen}${[...p].length > 0 ? `?${p}` : ''}`);
		const content = await screens[screen].show({scope, schemas, params, changed, go: (name, p) => { location.hash = link(name, p); }});
		if (mine === turn)
			fill(main, content);
	} catch (e) {
		if (mine !== turn)
			return;
		if (!(e instanceof ApiError))
			throw e;
		fill(main, el('p', {class: 'bad', role: 'alert'}, e.status === 0 ? t('unreachable') : e.message), el('button', {type: 'button', onclick: show}, t('tryAgain')));
	}
}

// A sign-in link works once: its token leaves the address before anything else happens.
async function useToken() {
	const token = location.hash.match(/^#\/token\/([\w.~-]+)$/)?.[1];

	if (!token)
		return;
	history.replaceState(null, '', location.pathname);
	try {
		await ask('POST', '/sessions', {token}, {signIn: false});
		session = true;
	} catch (e) {
		say(e.message, true);
	}
}

await useLanguage(preferred);
onSignInNeeded(async () => {
	await signIn(list.length > 0);
	forgetSchemas();
	forgetRows();
});
fetch('.', {method: 'HEAD', cache: 'no-store'}).then((r) => noteServerDate(r.headers.get('Date')), () => {});
await useToken();
window.addEventListener('hashchange', () => { say(''); show().then(() => main.focus()); });
show();
