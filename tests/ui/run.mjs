// run.mjs: drives the page in Chromium.  SITE is JSON: {url, project, access, secret, admin: [access, secret], registry, plant, shots}.
// Prints a line of JSON for each scenario: {"name", "ok", "why"}.
import {createRequire} from 'node:module';
import fs from 'node:fs';

const site = JSON.parse(process.env.SITE);
const require = createRequire(import.meta.url); // an import would not look into NODE_PATH
const {chromium} = require('playwright-core');
const axeText = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const only = process.env.UI_ONLY ? new RegExp(process.env.UI_ONLY) : null;
const browser = await chromium.launch({executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']});

const must = (truth, why) => { if (!truth) throw new Error(why); };
const basic = ([a, s]) => `Basic ${Buffer.from(`${a}:${s}`).toString('base64')}`;
const project = `${site.url}/v1/projects/${site.project}`;

// The API as another program sees it.
async function api(method, path, body, key = [site.access, site.secret]) {
	const answer = await fetch(path.startsWith('http') ? path : project + path, {method, headers: {Authorization: basic(key), 'Content-Type': 'application/json'}, body: body && JSON.stringify(body)});
	return answer.json();
}

// A page that notes what must not happen: errors, reports, requests to other hosts.
async function open(options = {}) {
	const context = await browser.newContext({viewport: {width: 1280, height: 800}, locale: 'en-US', ...options});
	const page = await context.newPage();
	page.wrong = [];
	page.asked = [];
	page.steps = 0;
	page.on('console', (m) => { if (m.type() === 'error' && !/status of (401|404|409|412|422|503)|net::ERR/.test(m.text())) page.wrong.push(m.text()); });
	page.on('pageerror', (e) => page.wrong.push(e.message));
	page.on('request', (r) => { page.asked.push(r.url()); if (!r.url().startsWith(site.url) && !r.url().startsWith('blob:')) page.wrong.push(`asked ${r.url()}`); });
	// An interaction is a click or a field that a person fills.
	page.tap = async (what) => { page.steps++; await page.locator(what).first().click(); };
	page.type = async (what, text) => { page.steps++; await page.locator(what).first().fill(text); };
	return page;
}

async function signIn(page, key = [site.access, site.secret]) {
	await page.waitForSelector('dialog #access');
	await page.fill('#access', key[0]);
	await page.fill('#secret', key[1]);
	await page.click('dialog:has(#access) button.primary');
}

async function start(screen = 'logins', options = {}, key = undefined) {
	const page = await open(options);
	await page.goto(`${site.url}/ui/#/${site.project}/${screen}`);
	await signIn(page, key);
	await page.waitForSelector('main h1');
	await page.waitForSelector('main [aria-busy]', {state: 'detached'});
	page.steps = 0;
	return page;
}

async function finish(page) {
	must(page.wrong.length === 0, `the page did what it must not: ${page.wrong.join('; ')}`);
	await page.context().close();
}

async function axe(page, where) {
	await page.evaluate(axeText);
	const found = await page.evaluate(async () => (await globalThis.axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})).violations.map((v) => `${v.id}: ${v.nodes[0].target}`));
	must(found.length === 0, `${where}: ${found.join('; ')}`);
}

const rowMenu = (page, name) => page.tap(`button[aria-haspopup=menu][aria-label*="${name}"]`);
const menuItem = (page, text) => page.tap(`[role=menuitem]:text-is("${text}")`);
const login = (fields = {}) => api('POST', '/registrycredentials', {registryId: site.registryId, publicValue: 'bot', secretValue: site.plant, email: 'a@b', ...fields});
const noSecret = async (page) => {
	const html = await page.evaluate(() => document.documentElement.outerHTML + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + JSON.stringify(history.state) + [...document.querySelectorAll('input,textarea')].map((i) => i.value).join('\n') + location.href);
	must(!html.includes(site.plant), 'a secret is in the page after it was saved');
};

const scenarios = {
	async first_login_from_the_empty_page_in_nine_steps() {
		const page = await start('logins', {}, site.empty.key);
		await page.waitForSelector('.first-run');
		await page.tap('.first-run .tile:text-is("Another one")');
		await page.type('dialog [id^=address]', site.registry);
		await page.type('dialog [id^=publicValue]', 'right');
		await page.type('dialog [id^=secretValue]', site.plant);
		await page.tap('dialog button:text-is("Try it")');
		await page.waitForSelector('.outcome .badge.good');
		await page.tap('dialog button.primary');
		await page.waitForSelector('tbody tr');
		must(page.steps <= 9, `${page.steps} steps`);
		await noSecret(page);
		await finish(page);
	},
	async a_wrong_password_is_shown_before_it_is_saved() {
		const page = await start();
		await page.tap('button:text-is("Add a login")');
		await page.type('dialog [id^=address]', site.registry);
		await page.type('dialog [id^=publicValue]', 'right');
		await page.type('dialog [id^=secretValue]', 'wrong');
		await page.tap('dialog button:text-is("Try it")');
		await page.waitForSelector('.outcome .badge.bad');
		must((await page.textContent('.outcome')).includes('wrong password'), 'no word for it');
		await finish(page);
	},
	async a_source_has_its_fields_and_keeps_its_secret() {
		const page = await start();
		await page.tap('button:text-is("Add a login")');
		await page.type('dialog [id^=address]', site.registry);
		await page.selectOption('dialog select[id^=source-]', 'vault');
		must(await page.locator('dialog p:has([id^=secretValue]):visible').count() === 0, 'a password is asked for beside the source');
		for (const [member, text] of [['address', 'http://127.0.0.1:9'], ['path', 'registries/main'], ['roleId', 'role-7']])
			await page.fill(`dialog [id^=sourceConfig][id$="-${member}"]`, text);
		await page.fill('dialog [id^=sourceSecret]', site.plant);
		await page.fill('dialog [id^=publicValue]', 'from-vault');
		await axe(page, 'the form of a source');
		await page.tap('dialog button:text-is("Try it")');
		await page.waitForSelector('dialog [role=alert] strong');
		must((await page.locator('dialog [role=alert]:has(strong)').textContent()).includes('once the login is saved'), `a trial without a password: ${await page.locator('dialog [role=alert]:has(strong)').textContent()}`);
		await page.tap('dialog button.primary');
		await page.waitForSelector('dialog', {state: 'detached'});
		await noSecret(page);
		const row = (await api('GET', '/registrycredentials?publicValue=from-vault')).data[0];
		must(row.source === 'vault' && row.sourceConfig.path === 'registries/main' && row.sourceConfig.roleId === 'role-7' && !('mount' in row.sourceConfig), JSON.stringify(row.sourceConfig));
		await rowMenu(page, 'from-vault');
		await menuItem(page, 'Edit');
		must(await page.inputValue('dialog [id^=sourceConfig][id$="-path"]') === 'registries/main', 'the edit lost the path');
		await page.fill('dialog [id^=sourceConfig][id$="-path"]', 'registries/other');
		await page.click('dialog button.primary');
		await page.waitForSelector('dialog [id^=sourceSecret][aria-invalid=true]');     // a changed source may be another host
		await page.fill('dialog [id^=sourceSecret]', site.plant);
		await page.click('dialog button.primary');
		await page.waitForSelector('dialog', {state: 'detached'});
		must((await api('GET', `/registrycredentials/${row.id}`)).sourceConfig.path === 'registries/other', 'the edit was not stored');
		await finish(page);
	},
	async an_error_stands_at_its_field() {
		const page = await start();
		await page.tap('button:text-is("Add a login")');
		await page.type('dialog [id^=address]', site.registry);
		await page.tap('dialog summary');
		await page.type('dialog [id^=email]', '');
		await page.tap('dialog button.primary');
		await page.waitForSelector('dialog [role=alert] strong');
		must(await page.locator('dialog [id^=email][aria-invalid=true]').count() === 1, 'the field is not marked');
		await finish(page);
	},
	async an_edit_keeps_the_secret() {
		const row = await login({publicValue: 'edited'});
		const page = await start();
		let sent = null;
		page.on('request', (r) => { if (r.method() === 'PUT') sent = r.postDataJSON(); });
		await rowMenu(page, 'edited');
		await menuItem(page, 'Edit');
		await page.fill('dialog [id^=publicValue]', 'edited-2');
		await page.click('dialog button.primary');
		await page.waitForSelector('dialog', {state: 'detached'});
		must(JSON.stringify(Object.keys(sent)) === '["publicValue"]', `sent ${JSON.stringify(sent)}`);
		must((await api('GET', `/registrycredentials/${row.id}`)).publicValue === 'edited-2', 'not saved');
		await finish(page);
	},
	async a_password_is_rotated_in_four_steps() {
		await login({publicValue: 'rotated'});
		const page = await start();
		await rowMenu(page, 'rotated');
		await menuItem(page, 'New password');
		await page.type('dialog [id^=secretValue]', `${site.plant}2`);
		await page.tap('dialog button.primary');
		await page.waitForSelector('dialog', {state: 'detached'});
		must(page.steps <= 4, `${page.steps} steps`);
		await noSecret(page);
		await finish(page);
	},
	async a_leaked_login_is_switched_off_in_three_steps() {
		const row = await login({publicValue: 'leaked'});
		const page = await start();
		await rowMenu(page, 'leaked');
		await menuItem(page, 'Switch off');
		await page.waitForFunction(() => document.getElementById('status').textContent.includes('leaked'));
		must((await api('GET', `/registrycredentials/${row.id}`)).state === 'inactive', 'still active');
		must(page.steps <= 3, `${page.steps} steps`);
		await finish(page);
	},
	async which_login_in_three_steps() {
		await login({publicValue: 'chosen', isDefault: true});
		const page = await start();
		await page.tap('nav a:text-is("Which login?")');
		await page.type('[id^=image]', `${site.registry}/acme/app:1`);
		await page.tap('main button.primary');
		await page.waitForSelector('.big');
		must((await page.textContent('.big')).includes('chosen'), 'another login');
		must(page.steps <= 3, `${page.steps} steps`);
		await axe(page, 'which');
		await finish(page);
	},
	async a_key_for_a_host_in_six_steps_shown_once() {
		const page = await start();
		await page.tap('nav a:text-is("Keys")');
		await page.tap('button:text-is("New key")');
		await page.type('dialog [id^=name]', 'host-1');
		await page.tap('dialog button.primary');
		await page.waitForSelector('dialog pre');
		must(page.steps <= 6, `${page.steps} steps`);
		const secret = await page.locator('dialog dd code').nth(1).textContent();
		must(/^\S{40}$/.test(secret), 'no secret');
		must((await page.locator('dialog pre').allTextContents()).join().includes('docker-setup'), 'no snippet');
		await axe(page, 'the new key');
		await page.click('dialog button.primary');
		await page.waitForSelector('dialog', {state: 'detached'});
		must(!(await page.content()).includes(secret), 'the secret is still in the page');
		await finish(page);
	},
	async many_at_once_are_confirmed_by_their_number() {
		for (let i = 0; i < 12; i++)
			await login({publicValue: `bulk-${String(i).padStart(2, '0')}`});
		const page = await start();
		await page.type('input[type=search]', 'bulk-');
		await page.keyboard.press('Enter');
		await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 12);
		await page.click('thead input[type=checkbox]');
		await page.click('.bulk button:text-is("Switch off")');
		must(await page.locator('dialog button.danger').isDisabled(), 'not asked for the number');
		await page.fill('#typed', '12');
		await page.click('dialog button.danger');
		await page.waitForFunction(() => document.getElementById('status').textContent.includes('12 done'));
		const list = await api('GET', '/registrycredentials?publicValue_prefix=bulk-&limit=100');
		must(list.data.every((r) => r.state === 'inactive'), 'some are still active');
		await finish(page);
	},
	async a_revoked_key_leads_to_the_sign_in_and_keeps_what_was_typed() {
		const key = await api('POST', '/apikeys', {name: 'short'});
		const page = await start('logins', {}, [key.publicValue, key.secretValue]);
		await page.tap('button:text-is("Add a login")');
		await page.type('dialog [id^=address]', site.registry);
		await page.type('dialog [id^=publicValue]', 'kept');
		await api('POST', `/apikeys/${key.id}/?action=deactivate`, {});
		await page.tap('dialog button.primary');
		await signIn(page);
		await page.waitForFunction(() => document.getElementById('status').textContent.includes('kept'));
		await finish(page);
	},
	async a_server_that_is_down_loses_nothing() {
		const page = await start();
		await page.tap('button:text-is("Add a login")');
		await page.type('dialog [id^=address]', site.registry);
		await page.type('dialog [id^=publicValue]', 'offline');
		await page.route('**/v1/**', (r) => r.abort());
		await page.click('dialog button.primary');
		await page.waitForSelector('dialog [role=alert]:has-text("does not answer")');
		await page.unroute('**/v1/**');
		await page.click('dialog button.primary');
		await page.waitForSelector('dialog', {state: 'detached'});
		await finish(page);
	},
	async a_slow_server_shows_that_it_works() {
		const page = await start();
		await page.route('**/registrycredentials?**', async (r) => { await new Promise((f) => setTimeout(f, 1500)); await r.continue(); });
		await page.click('th button:has-text("User name")');
		await page.waitForSelector('main [aria-busy=true]');
		await page.waitForSelector('main [aria-busy]', {state: 'detached'});
		await finish(page);
	},
	async a_row_that_changed_meanwhile_shows_both() {
		const row = await login({publicValue: 'raced', description: 'first'});
		const page = await start();
		await rowMenu(page, 'raced');
		await menuItem(page, 'Edit');
		await page.click('dialog summary');
		await page.fill('dialog [id^=description]', 'mine');
		await api('PUT', `/registrycredentials/${row.id}`, {description: 'theirs'});
		await page.click('dialog button.primary');
		await page.waitForSelector('dialog h2:has-text("Somebody else")');
		const text = await page.textContent('dialog:last-of-type');
		must(text.includes('mine') && text.includes('theirs'), text);
		await axe(page, 'both versions');
		await page.click('button:text-is("Keep mine")');
		await page.waitForSelector('dialog', {state: 'detached'});
		must((await api('GET', `/registrycredentials/${row.id}`)).description === 'mine', 'not kept');
		await finish(page);
	},
	async a_login_that_was_removed_meanwhile_says_so() {
		const row = await login({publicValue: 'vanishing'});
		const page = await start();
		await rowMenu(page, 'vanishing');
		await menuItem(page, 'Edit');
		await page.waitForSelector('dialog [id^=publicValue]');
		await page.fill('dialog [id^=publicValue]', 'vanishing-2');
		for (const action of ['deactivate', 'remove', 'purge'])
			await api('POST', `/registrycredentials/${row.id}/?action=${action}`, {});
		await page.click('dialog button.primary');
		await page.waitForSelector('dialog [role=alert]:not(:empty)');
		must(await page.inputValue('dialog [id^=publicValue]') === 'vanishing-2', 'what was typed is gone');
		await finish(page);
	},
	async odd_names_are_text() {
		const names = ['<img src=x onerror=alert(1)>', 'אבג \u202eabc', 'x'.repeat(255), '"\'&amp;'];
		for (const name of names)
			await login({publicValue: 'odd', name});
		const page = await start('logins', {viewport: {width: 320, height: 700}});
		await page.waitForSelector('tbody tr');
		const text = await page.textContent('main');
		must(names.every((n) => text.includes(n)), 'a name is not shown as it is');
		must(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), 'wider than the screen');
		await finish(page);
	},
	async filters_stand_in_the_address() {
		const page = await start();
		await page.click('.chip:text-is("switched off")');
		await page.waitForFunction(() => location.hash.includes('state=inactive'));
		await page.reload();
		await page.waitForSelector('.chip[aria-pressed=true]');
		await page.click('nav a:text-is("Keys")');
		await page.waitForSelector('h1:text-is("Keys")');
		await page.goBack();
		await page.waitForSelector('.chip[aria-pressed=true]');
		await finish(page);
	},
	async keyboard_alone_reaches_an_action() {
		await login({publicValue: 'aaa-keyboard'});
		const page = await start('logins?sort=publicValue');
		for (let i = 0; i < 80; i++) {
			await page.keyboard.press('Tab');
			if (await page.evaluate(() => document.activeElement.getAttribute('aria-haspopup') === 'menu'))
				break;
		}
		await page.keyboard.press('Enter');
		await page.waitForSelector('[role=menuitem]:focus');
		await page.keyboard.press('ArrowDown');
		await page.keyboard.press('End');
		await page.keyboard.press('Escape');
		must(await page.evaluate(() => document.activeElement.getAttribute('aria-haspopup') === 'menu'), 'the focus is lost');
		await finish(page);
	},
	async ten_thousand_logins_are_one_page_in_memory() {
		const page = await start('logins', {}, site.large.key);
		await page.goto(`${site.url}/ui/#/${site.large.project}/logins`);
		await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 100);
		page.asked.length = 0;
		await page.click('th button:has-text("User name")');
		await page.waitForFunction(() => document.querySelector('th[aria-sort=ascending]'));
		await page.click('button:text-is("Next page")');
		await page.waitForFunction(() => document.querySelector('tbody th').textContent.includes('bot-00100'));
		must(await page.evaluate(() => document.querySelectorAll('tbody tr').length) === 100, 'more than a page');
		must(page.asked.length <= 6, `${page.asked.length} requests`);
		await finish(page);
	},
	async the_first_hundred_take_three_questions() {
		const page = await start('logins', {}, site.large.key);
		page.asked.length = 0;
		let bytes = site.assets;                                       // as for a first visit; these are in the cache here
		const sizes = [];
		page.on('requestfinished', async (r) => { const n = (await r.sizes()).responseBodySize; bytes += r.url().endsWith('/schemas') ? 0 : n; sizes.push(`${r.url().split('/').pop().slice(0, 30)} ${n}`); });
		await page.evaluate(() => document.querySelector('main').replaceChildren());
		await page.reload({waitUntil: 'commit'});
		await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 100);
		// The names of registries, and the schemas of other screens, come after the rows are there.
		const questions = page.asked.filter((u) => u.includes('/v1/') && !u.includes('/registries/') && !u.endsWith('/schemas'));
		must(questions.length <= 3, questions.join(' '));
		must(bytes <= 200000, `${bytes} bytes: ${sizes.join(', ')}`);
		await finish(page);
	},
	async the_browsers_clock_does_not_matter() {
		await login({publicValue: 'clock'});
		const context = await browser.newContext({locale: 'en-US'});
		await context.addInitScript(() => { const real = Date.now; Date.now = () => real() + 864e5; });
		const page = await context.newPage();
		await page.goto(`${site.url}/ui/#/${site.project}/audit`);
		await signIn(page);
		await page.waitForSelector('tbody time');
		must(!(await page.locator('tbody time').first().textContent()).includes('day'), 'a day off');
		await context.close();
	},
	async german_is_whole() {
		const page = await start('logins', {locale: 'de-DE'});
		must((await page.textContent('h1')) === 'Anmeldungen', 'not German');
		must(await page.getAttribute('html', 'lang') === 'de', 'lang is not de');
		await finish(page);
	},
	async a_file_that_does_not_arrive_is_named_or_done_without() {
		const page = await open({locale: 'de-DE'});
		await page.route(/\/(de|keys)\.js$/, (route) => route.abort());
		await page.goto(`${site.url}/ui/#/${site.project}/logins`);
		await signIn(page);
		await page.waitForSelector('main h1');
		must((await page.textContent('h1')) === 'Logins', 'without the German texts it is not English');
		must(await page.getAttribute('html', 'lang') === 'en', 'lang is not en');
		await page.click('nav a:text-is("Keys")');
		await page.waitForSelector('main [role=alert]');
		must((await page.textContent('main [role=alert]')).includes('does not answer'), await page.textContent('main [role=alert]'));
		await finish(page);
	},
	async signing_out_ends_the_session() {
		const page = await start();
		await page.click('#top button');
		await page.waitForSelector('dialog #access');
		await finish(page);
	},
	async without_scripts_the_page_says_what_is_needed() {
		const page = await open({javaScriptEnabled: false});
		await page.goto(`${site.url}/ui/`);
		must((await page.textContent('noscript, main')).includes('JavaScript'), 'it says nothing');
		await page.fill('#access', site.access);
		await page.fill('#secret', site.secret);
		await page.click('button');
		must((await page.context().cookies()).some((c) => c.httpOnly && c.sameSite === 'Strict'), 'no session');
		await page.context().close();
	},
};

// Each screen in both themes and three widths: axe finds nothing; the pictures are for the eye.
for (const scheme of ['light', 'dark'])
	scenarios[`every_screen_is_accessible_${scheme}`] = async () => {
		for (const width of [1280, 768, 320]) {
			const page = await start('logins', {colorScheme: scheme, viewport: {width, height: 800}});
			for (const screen of ['logins', 'which', 'keys', 'audit', 'registries', 'projects', 'health']) {
				await page.goto(`${site.url}/ui/#/${site.project}/${screen}`);
				await page.waitForFunction((s) => document.title && document.querySelector('main h1') && location.hash.includes(s), screen);
				await page.waitForSelector('main [aria-busy]', {state: 'detached'});
				await page.waitForTimeout(150);
				if (width !== 768)
					await axe(page, `${screen} ${width}`);
				must(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), `${screen} is wider than ${width}`);
				if (site.shots)
					await page.screenshot({path: `${site.shots}/${screen}-${scheme}-${width}.png`});
			}
			await finish(page);
		}
	};

let failed = 0;
for (const [name, run] of Object.entries(scenarios)) {
	if (only && !only.test(name))
		continue;
	let why = null;
	try {
		await run();
	} catch (e) {
		why = e.stack.split('\n').slice(0, 6).join('\n');
		failed++;
		if (site.shots)
			for (const c of browser.contexts())
				for (const p of c.pages())
					await p.screenshot({path: `${site.shots}/failed-${name}.png`}).catch(() => {});
	}
	for (const c of browser.contexts())
		await c.close();
	console.log(JSON.stringify({name, ok: why === null, why}));
}
await browser.close();
process.exit(failed > 0 ? 1 : 0);
