// run.mjs: DOCUMENTS: files of OpenAPI documents, which two validators look at.  SITE is JSON: {document, access, secret, plant}: a client made
// from that document does the life of a login.  Prints a line of JSON for each check: {"name", "ok", "why"}.
import fs from 'node:fs';
import {Validator} from '@seriousme/openapi-schema-validator';
import {validate} from '@readme/openapi-parser';
import {OpenAPIClientAxios} from 'openapi-client-axios';

const site = JSON.parse(process.env.SITE);
const must = (truth, why) => { if (!truth) throw new Error(why); };
const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));

async function report(name, work) {
	try {
		await work();
		console.log(JSON.stringify({name, ok: true}));
	} catch (e) {
		console.log(JSON.stringify({name, ok: false, why: String(e.response ? JSON.stringify(e.response.data) : e.stack)}));
	}
}

for (const file of process.argv.slice(2)) {
	await report(`one ${file}`, async () => {
		const answer = await new Validator().validate(read(file));
		must(answer.valid, JSON.stringify(answer.errors));
	});
	await report(`two ${file}`, async () => {
		const answer = await validate(read(file));
		must(answer.valid && answer.warnings.length === 0, JSON.stringify(answer));
	});
}

await report('life', async () => {
	const api = new OpenAPIClientAxios({definition: read(site.document), axiosConfigDefaults: {auth: {username: site.access, password: site.secret}}});
	const client = await api.init();
	const registry = (await client.createRegistry(null, {serverAddress: 'generated.example'})).data;
	const login = (await client.createRegistryCredential(null, {registryId: registry.id, publicValue: 'bot', secretValue: site.plant, email: 'a@b'})).data;
	must(login.id && login.publicValue === 'bot', JSON.stringify(login));
	must((await client.listRegistryCredentials({publicValue: 'bot'})).data.data.length === 1, 'it is not in the list');
	must((await client.updateRegistryCredential({id: login.id}, {description: 'changed'})).data.description === 'changed', 'it did not change');
	must((await client.askImageLogin(null, {image: 'generated.example/acme/app'})).data.registryCredentialId === login.id, 'it is not used');
	must((await client.followRegistryCredential_registry({id: login.id})).data.id === registry.id, 'its registry is another one');
	must((await client.actOnRegistryCredential({id: login.id, action: 'deactivate'}, {})).status === 202, 'it was not switched off');
	must((await client.deleteRegistryCredential({id: login.id})).status < 300, 'it was not deleted');
	must((await client.getRegistryCredential({id: login.id})).data.removed !== null, 'it is still there');
	const wrong = await client.createRegistryCredential(null, {registryId: '1sp999999', email: 'a@b'}).catch((e) => e.response);
	must(wrong.status === 422 && wrong.data.fieldName === 'registryId', JSON.stringify(wrong.data));
});
