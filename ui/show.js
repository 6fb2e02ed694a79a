// show: values as people read them: times, states, references, secrets.
import {el} from './dom.js';
import {t, word, language} from './text.js';

// How far this browser's clock is from the server's, in milliseconds: relative times are the server's.
let skew = 0;
export const noteServerDate = (text) => {
	const at = Date.parse(text ?? '');
	if (!Number.isNaN(at))
		skew = at - Date.now();
};
export const now = () => Date.now() + skew;

const units = [['year', 31536e6], ['month', 2592e6], ['day', 864e5], ['hour', 36e5], ['minute', 6e4], ['second', 1e3]];

export function relative(ms) {
	const far = ms - now();
	const [unit, size] = units.find(([, s]) => Math.abs(far) >= s) ?? ['second', 1e3];

	return new Intl.RelativeTimeFormat(language, {numeric: 'auto'}).format(Math.trunc(far / size), unit);
}

// "3 days ago", with the exact time at hand for eyes and for programs.
export function time(text, empty = t('never')) {
	if (!text)
		return el('span', {class: 'quiet'}, empty);
	return el('time', {datetime: text, title: t('exact', {time: text.replace('T', ' ').replace('Z', '')})}, relative(Date.parse(text)));
}

// A word for a state, with a sign that needs no colour.
export function badge(kind, name, title) {
	const signs = {good: '✓', bad: '✗', wait: '…', off: '–'};

	return el('span', {class: `badge ${kind}`, title}, el('span', {'aria-hidden': 'true'}, signs[kind]), ' ', name);
}

export function state(row) {
	const kind = row.transitioning === 'error' ? 'bad' : row.transitioning === 'yes' ? 'wait' : row.state === 'active' ? 'good' : 'off';

	return badge(kind, row.transitioning === 'error' && row.transitioningMessage ? row.transitioningMessage : word('state', row.state), row.transitioningMessage);
}

export function check(row) {
	const result = row.verificationResult;
	const text = word('check', result ?? 'null');
	const kind = result === 'valid' ? 'good' : result === null || result === undefined ? 'off' : result === 'anonymousAccess' ? 'off' : 'bad';

	return [badge(kind, text, row.verificationMessage), row.verifiedAt ? [' ', time(row.verifiedAt)] : null];
}

export function expiry(row, field = 'expiresAt') {
	if (row.source && row.refreshResult && row.refreshResult !== 'refreshed')
		return badge('bad', word('result', row.refreshResult), row.refreshMessage);
	if (row.source && row.refreshAt)
		return el('span', {title: row.refreshedAt}, t('renews', {time: relative(Date.parse(row.refreshAt))}));
	if (!row[field])
		return el('span', {class: 'quiet'}, t('never'));
	return Date.parse(row[field]) < now() ? badge('bad', t('expired', {time: relative(Date.parse(row[field]))}), row[field]) : time(row[field]);
}

// Any value by its field's type, for details.
export function value(v, field) {
	if (field?.type === 'password')
		return '••••••';
	if (v === null || v === undefined || v === '')
		return el('span', {class: 'quiet'}, t('null'));
	if (field?.type === 'date')
		return time(v);
	if (typeof v === 'boolean')
		return t(v ? 'yes' : 'no');
	if (Array.isArray(v))
		return v.length === 0 ? t('null') : v.map((x) => (typeof x === 'object' ? JSON.stringify(x) : x)).join(', ');
	return typeof v === 'object' ? JSON.stringify(v) : String(v);
}
