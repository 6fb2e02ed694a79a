#!/bin/sh
# check-ui.sh [SOURCE-TREE]: what the page promises of its own text: nothing parses HTML or runs text, nothing is inline, nothing comes from
# another host, the sizes as they are sent, and each text that is asked for is in the catalogue.  One line for each that is not so.
set -eu
LC_ALL=C
export LC_ALL

cd "${1:-${REGCRED_SRC:-.}}/ui"
bad=0
complain() { echo "ui: $*"; bad=$((bad + 1)); }

forbidden='innerHTML|outerHTML|insertAdjacentHTML|document\.write|[^a-z]eval\(|new Function|setTimeout\([^(]*"|DOMParser|srcdoc|javascript:'
if grep -nE "$forbidden" ./*.js ./*.html; then complain 'these lines make HTML or a program of text'; fi
if grep -nE '<[a-z]+[^>]* (style|on[a-z]+)=|<style|<script[^>]*>[^<]' ./*.html; then complain 'these lines are inline'; fi
if grep -nE "https?://" ./*.js ./*.css ./*.html ./*.svg | grep -v 'http://www.w3.org/2000/svg'; then complain 'these lines name another host'; fi
if grep -nE 'localStorage|sessionStorage|indexedDB|document\.cookie *=' ./*.js; then complain 'these lines store something in the browser'; fi

sent=$(for file in ./*; do gzip -9 -n <"$file" | wc -c; done | awk '{ sum += $1 } END { print sum }')
[ "$sent" -le 60000 ] || complain "$sent bytes are sent, more than 60,000"

# t('name'): a name of the English catalogue, which the others may lack.
names=$(grep -ohE "[^a-zA-Z]t\('[A-Za-z_]+'" ./*.js | sed "s/.*t('//; s/'//" | sort -u)
for name in $names; do
	grep -qE "(^|[[:space:],{])$name: '" text.js || complain "text.js has no text \"$name\""
done

echo "check-ui: $sent bytes as sent, $(echo "$names" | wc -l) texts, $bad wrong"
[ "$bad" -eq 0 ]
