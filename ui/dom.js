// dom: elements from plain data.  Text goes in as text; nothing here, or anywhere in the page, parses HTML.

// el('button', {class: 'x', onclick: f, disabled: true}, 'text', child, [more]): null and false are left out.
export function el(tag, attributes = {}, ...children) {
	const node = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes)) {
		if (value === null || value === undefined || value === false)
			continue;
		if (name.startsWith('on'))
			node.addEventListener(name.slice(2), value);
		else if (name === 'value' || name === 'checked' || name === 'files')
			node[name] = value;
		else
			node.setAttribute(name, value === true ? '' : value);
	}
	add(node, children);
	return node;
}

export function add(node, children) {
	for (const child of children.flat(Infinity))
		if (child !== null && child !== undefined && child !== false)
			node.append(child);
	return node;
}

export function fill(node, ...children) {
	node.replaceChildren();
	return add(node, children);
}

let ids = 0;
export const freshId = (stem) => `${stem}-${++ids}`;

// Says something to whoever looks and to whoever listens; it stays until the next.
export function say(text, bad = false) {
	const place = document.getElementById('status');

	place.className = bad ? 'bad' : '';
	fill(place, text && el('span', {}, text), text && el('button', {
		type: 'button', class: 'plain', 'aria-label': '×', onclick: () => say(''),
	}, '×'));
}

// A dialog that is gone when it closes; the browser gives the focus back to the button that opened it.
export function dialog(title, content, wide = false) {
	const id = freshId('title');
	const box = el('dialog', {'aria-labelledby': id, class: wide ? 'wide' : null}, el('h2', {id}, title), content);

	box.addEventListener('close', () => box.remove());
	document.body.append(box);
	box.showModal();
	return box;
}

// A button that opens a menu: arrow keys, Home, End and Escape as people expect them.
export function menu(label, name, items) {
	const list = el('ul', {role: 'menu', hidden: true, 'aria-label': name});
	const button = el('button', {type: 'button', class: 'plain menu', 'aria-haspopup': 'menu', 'aria-expanded': 'false', 'aria-label': name}, label);
	const shut = (focus) => {
		list.hidden = true;
		button.setAttribute('aria-expanded', 'false');
		if (focus)
			button.focus();
	};
	const open = () => {
		fill(list, items().map((item) => el('li', {role: 'none'}, el(item.href ? 'a' : 'button', {
			role: 'menuitem', tabindex: '-1', href: item.href, type: item.href ? null : 'button', class: item.bad ? 'danger' : null,
			target: item.outside ? '_blank' : null, rel: item.outside ? 'noreferrer' : null,
			onclick: () => { shut(true); item.run?.(); },
		}, item.text))));
		list.hidden = false;
		button.setAttribute('aria-expanded', 'true');
		list.querySelector('[role=menuitem]')?.focus();
	};
	const place = el('div', {class: 'menu-place'}, button, list);

	button.addEventListener('click', () => (list.hidden ? open() : shut(true)));
	place.addEventListener('keydown', (event) => {
		const all = [...list.querySelectorAll('[role=menuitem]')];
		const at = all.indexOf(document.activeElement);
		const to = {ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1}[event.key];

		if (event.key === 'Escape' && !list.hidden)
			shut(true);
		else if (to !== undefined && list.hidden && event.key === 'ArrowDown')
			open();
		else if (to !== undefined && all.length > 0 && !list.hidden)
			all[to % all.length].focus();
		else
			return;
		event.preventDefault();
	});
	place.addEventListener('focusout', (event) => {
		if (!place.contains(event.relatedTarget))
			shut(false);
	});
	return place;
}
