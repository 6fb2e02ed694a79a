// api: the public API as this page uses it: one function that asks, and what it remembers of the schemas.

export const root = new URL('..', document.baseURI).href.replace(/\/$/, '');
export const v1 = `${root}/v1`;

// What an answer that is no success says: .status, .code, .fieldName, .detail as the API sends them.
export class ApiError extends Error {
	constructor(status, body) {
		super(body?.detail || body?.message || body?.code || String(status));
		Object.assign(this, {status, code: body?.code, fieldName: body?.fieldName, resource: body});
	}
}

let signInNeeded = () => Promise.reject(new Error('not signed in'));
export const onSignInNeeded = (f) => { signInNeeded = f; };

const csrf = () => document.cookie.match(/(?:^|; )CSRF=([^;]*)/)?.[1];

// Asks; a 401 lets the person sign in again and then asks once more, so that nothing typed is lost.
export async function ask(method, url, body, {headers = {}, signIn = true} = {}) {
	const all = {Accept: 'application/json', 'X-API-No-Challenge': 'true', ...headers};

	if (body !== undefined)
		all['Content-Type'] = 'application/json';
	if (method !== 'GET' && csrf())
		all['X-API-CSRF'] = csrf();
	let answer;
	try {
		answer = await fetch(url.startsWith('http') ? url : v1 + url, {
			method, headers: all, body: body === undefined ? undefined : JSON.stringify(body),
			credentials: 'same-origin', redirect: 'error', cache: 'no-store',
		});
	} catch {
		throw new ApiError(0, {code: 'Unreachable'});
	}
	if (answer.status === 401 && signIn) {
		await signInNeeded();
		return ask(method, url, body, {headers, signIn: false});
	}
	const text = await answer.text();
	let json = null;
	try {
		json = text === '' ? null : JSON.parse(text);
	} catch {
		if (answer.ok)
			throw new ApiError(answer.status, {code: 'BadAnswer'});
	}
	if (!answer.ok)
		throw new ApiError(answer.status, json);
	if (json !== null && typeof json === 'object')
		Object.defineProperty(json, 'etag', {value: answer.headers.get('ETag')});
	return json;
}

export const get = (url) => ask('GET', url);
export const post = (url, body) => ask('POST', url, body ?? {});

// Schemas by id, of one project or of the account.
const schemas = new Map();
export async function loadSchemas(scope) {
	if (!schemas.has(scope)) {
		const list = await get(`${scope}/schemas`);
		schemas.set(scope, Object.fromEntries(list.data.map((s) => [s.id, s])));
	}
	return schemas.get(scope);
}
// One of them, for the first screen: the table is there before the others have come.
export const loadSchema = async (scope, id) => (schemas.has(scope) ? schemas.get(scope) : {[id]: await get(`${scope}/schemas/${id}`)});
export const forgetSchemas = () => schemas.clear();

// Rows by reference, for names beside ids; asked for once, and again after a change.
const rows = new Map();
export function byId(scope, plural, id) {
	const url = `${scope}/${plural}/${id}`;

	if (!rows.has(url))
		rows.set(url, get(url).catch(() => null));
	return rows.get(url);
}
export const forgetRows = () => rows.clear();
