#!/bin/sh
# Stands in for the black-box tests where Python is missing.
echo 'SKIP: the black-box tests need python3, 3.9 or newer'
exit 77
