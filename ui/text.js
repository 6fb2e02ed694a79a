// text: every word of the page in English; another language is a file of its own, and a name that it lacks is shown in English.

const en = {
	appName: 'regcred', logins: 'Logins', which: 'Which login?', keys: 'Keys', audit: 'Audit', projects: 'Projects', members: 'Members',
	registries: 'Registries', health: 'Health', accounts: 'Accounts', language: 'Language', project: 'Project', navigation: 'Screens', signOut: 'Sign out', signIn: 'Sign in',
	signInTitle: 'Sign in to regcred', signInText: 'Use an API key. It is sent once, for a session that ends after an hour without use.',
	signInAgain: 'Your session has ended. Sign in again; what you typed is kept.', accessKey: 'Access key', secretKey: 'Secret key',
	wrongKey: 'This key does not sign you in. Check both parts, and that the key is active and not expired.',
	loading: 'Loading …', cancel: 'Cancel', save: 'Save', close: 'Close', create: 'Create', remove: 'Remove', more: 'More settings', details: 'Details',
	results: '{n} rows on this page', noResults: 'Nothing matches. Clear the filters to see all rows.', clear: 'Clear filters', first: 'First page', previous: 'Previous page', next: 'Next page', pages: 'Pages',
	sortBy: 'Sort by {name}', actionsFor: 'Actions for {name}', actions: 'Actions', select: 'Select {name}', selectAll: 'Select all on this page', selected: '{n} selected',
	search: 'Search', searchIn: 'in', filters: 'Filters', viewApi: 'View in API', history: 'History', edit: 'Edit', rotate: 'New password', showUse: 'Show how to use',
	never: 'never', none: '–', yes: 'yes', no: 'no', null: 'not set', by: 'by {name}', exact: '{time} UTC',
	addLogin: 'Add a login', addLoginTo: 'Add a login for a registry', firstTitle: 'No logins yet', firstText: 'Three steps, about a minute:', first1: 'Choose the registry.', first2: 'Type the user name and the password or token.', first3: 'Try it, then save it.',
	registry: 'Registry', address: 'Address of the registry', addressHelp: 'For example registry.example.com or registry.example.com:5000', other: 'Another one', thisIs: 'regcred reads this as {name}.',
	user: 'User name', password: 'Password or token', fromFile: 'From a file', show: 'Show', hide: 'Hide', keptUnless: 'Kept unless you type a new one.', tryIt: 'Try it',
	trySource: 'The source gives the password once the login is saved; it is checked then.', trying: 'Trying the login at {name} …', tried: 'Not stored yet. {text} It took {ms} ms.', registryAdded: 'The registry {name} was added; the login is not stored yet.', saved: '{name} was saved.', created: '{name} was created.',
	image: 'Image', imageHelp: 'Paste what you would give to docker pull, for example ghcr.io/acme/app:1.2', ask: 'Which login?', uses: '{image} uses', usesNone: 'No login is used for {image}', notUsed: 'Not used', why: 'Why', otherLogins: 'Other logins',
	newKey: 'New key', keyFor: 'What is the key for?', forHost: 'a docker host', forCi: 'a CI job', forKubernetes: 'Kubernetes', forInject: 'nginx or containerd adds the login', forApi: 'managing logins through the API',
	keyOnce: 'This is the only time that the secret key is shown. Copy it now.', copy: 'Copy', copied: 'Copied.', download: 'Download', putWhere: 'What to put where', done: 'I have stored it',
	confirmAction: '{action} {n} logins?', confirmOne: '{action} {name}?', typeCount: 'Type {n} to confirm', working: '{done} of {n} …', bulkDone: '{done} done, {failed} failed.',
	changedTitle: 'Somebody else changed this row', changedText: 'Both versions are below. Keep yours to write it over theirs.', yours: 'Yours', theirs: 'Theirs', keepMine: 'Keep mine', takeTheirs: 'Take theirs', goneMeanwhile: 'This row was removed meanwhile. What you typed is still here.',
	errorTitle: 'Please correct this:', unreachable: 'The server does not answer. What you typed is kept; try again in a moment.', badAnswer: 'The server sent something that is not an answer of regcred.', tryAgain: 'Try again', notFound: 'There is no such page.', exportLines: 'Export as JSON lines', exported: '{n} rows were exported.',
	notWorking: 'not working', expiring: 'expires within 14 days', unused: 'not used for 90 days', inactive: 'switched off', removed: 'removed', all: 'all',
	pingOk: 'The service answers and its database is healthy.', pingBad: 'The service reports a problem: {text}', failingChecks: 'Logins that failed their last check', expiringSoon: 'Logins that expire within 14 days', keysExpiring: 'Keys that expire within 14 days', nothingHere: 'None.', refreshing: 'Renewals that failed', sessions: 'Sessions', endSession: 'End session',
	state_active: 'in use', state_inactive: 'switched off', state_activating: 'being checked', 'state_updating-active': 'being checked', 'state_updating-inactive': 'being checked', state_removed: 'removed', state_purged: 'deleted for good', state_registering: 'being made', state_requested: 'requested', state_deactivating: 'being switched off', state_removing: 'being removed', state_purging: 'being deleted', state_restoring: 'being restored',
	works: 'Works?', check_valid: 'works', check_invalidCredential: 'wrong password', check_forbidden: 'no access', check_repositoryRefused: 'may not pull', check_anonymousAccess: 'no login needed', check_otherTokenHost: 'another token server', check_notARegistry: 'not a registry', check_unreachable: 'unreachable', check_tlsError: 'TLS problem', check_rateLimited: 'rate limited', check_timeout: 'no answer in time', check_null: 'not checked', check_notOpened: 'could not be opened', checkedAt: '{text}, checked {time}',
	renews: 'renews itself {time}', expires: 'Expires', expired: 'expired {time}', lastUsed: 'Last used', path: 'Path', default: 'default', state: 'State', name: 'Name', role: 'Role', bounds: 'Bounds', networks: 'Networks', created_: 'Created', description: 'Description', kind: 'Kind', who: 'Who', what: 'What', when: 'When', from: 'From', row: 'Row', times: '{n} times', changes: 'Changes', anywhere: 'no bounds', boundPaths: 'paths {list}', boundRegistries: '{n} registries', boundNetworks: 'from {list}',
	action_activate: 'Switch on', action_deactivate: 'Switch off', action_remove: 'Remove', action_purge: 'Delete for good', action_restore: 'Restore', action_verify: 'Check now', action_refresh: 'Renew now', action_rollback: 'Take the former password back', action_delete: 'Delete', action_test: 'Test', action_setmembers: 'Members', action_update: 'Edit', addMember: 'Add a member', memberId: 'Id of the account', newProject: 'New project', newRegistry: 'Add a registry', unknownSource: '{name}', changedRow: '{action}: {name}',
	field_publicValue: 'User name', field_secretValue: 'Password or token', field_email: 'E-mail (Rancher’s clients ask for one)', field_pathPrefix: 'Only for repositories below', field_isDefault: 'Use it first among those that fit', field_expiresAt: 'Expires at', field_expires: 'Expires at', field_registryId: 'Registry', field_serverAddress: 'Address', field_reveal: 'May be handed passwords', field_registryIds: 'Only logins of these registries', field_pathPrefixes: 'Only logins for these paths', field_networks: 'Only from these networks', field_role: 'Role', field_name: 'Name', field_description: 'Description', field_verification: 'Check new logins', field_source: 'Where the password comes from', field_sourceConfig: 'Settings of the source', field_sourceSecret: 'Secret of the source', field_overlap: 'Seconds for which the former password stays', field_verifyRepository: 'Check that it pulls this repository', field_verifyEvery: 'Check again after so many seconds', field_expiryWarnings: 'Warn before a login ends', option_ecr: 'Amazon ECR', option_ecrPublic: 'Amazon ECR Public', option_google: 'Google', option_azure: 'Azure', option_github: 'GitHub App (experimental)', option_gitlab: 'GitLab', option_harbor: 'Harbor', option_quay: 'Quay', option_vault: 'Vault or OpenBao', option_exec: 'A program on the server', renewed: 'renewed {time}', result_sourceRefused: 'the source refuses its key', result_clockSkew: 'the clocks differ', result_rateLimited: 'the source asks for fewer requests', result_unreachable: 'the source cannot be reached', result_tlsError: 'TLS problem at the source', result_timeout: 'no answer from the source', result_badAnswer: 'the source’s answer is no login', result_newSecretRefused: 'the registry refuses the new password', result_misconfigured: 'the source is misconfigured', typedIn: 'typed in', listHelp: 'One in each line.', dateHelp: 'In your time zone.',
};

export const languages = {en: 'English', de: 'Deutsch'};
const catalogues = {en};
export const preferred = (navigator.languages ?? ['en']).map((l) => l.slice(0, 2)).find((l) => l in languages) ?? 'en';
export let language = 'en';

// If its texts do not arrive, the language stays.
export async function useLanguage(name) {
	const wanted = name in languages ? name : 'en';

	catalogues[wanted] ??= await import(`./${wanted}.js`).then((file) => file.default, () => undefined);
	if (catalogues[wanted])
		language = wanted;
	document.documentElement.lang = language;
}

// t('saved', {name: 'x'}): a text, with its gaps filled.
export function t(name, values = {}) {
	const text = catalogues[language][name] ?? en[name] ?? name;

	return text.replace(/\{(\w+)\}/g, (gap, key) => values[key] ?? gap);
}

// A name that may be missing from the catalogue: that of a field, a state, an action of a newer server.
export const word = (kind, name) => {
	const key = `${kind}_${name}`;

	if (key in en)
		return t(key);
	return String(name).replace(/([a-z])([A-Z])/g, '$1 $2').replace(/^./, (c) => c.toUpperCase());
};
