# REGCRED_ADD_CFLAG(FLAG), REGCRED_ADD_LDFLAG(FLAG): append a flag to REGCRED_CFLAGS or REGCRED_LDFLAGS if the compiler takes it.
AC_DEFUN([REGCRED_ADD_CFLAG], [
	AC_MSG_CHECKING([whether $CC takes $1])
	regcred_save_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -Werror $1"
	AC_COMPILE_IFELSE([AC_LANG_SOURCE([[int main(void) { return 0; }]])],
		[AC_MSG_RESULT([yes]); REGCRED_CFLAGS="$REGCRED_CFLAGS $1"], [AC_MSG_RESULT([no])])
	CFLAGS=$regcred_save_CFLAGS
])
AC_DEFUN([REGCRED_ADD_LDFLAG], [
	AC_MSG_CHECKING([whether $CC links with $1])
	regcred_save_LDFLAGS=$LDFLAGS
	LDFLAGS="$LDFLAGS -Werror $1"
	AC_LINK_IFELSE([AC_LANG_SOURCE([[int main(void) { return 0; }]])],
		[AC_MSG_RESULT([yes]); REGCRED_LDFLAGS="$REGCRED_LDFLAGS $1"], [AC_MSG_RESULT([no])])
	LDFLAGS=$regcred_save_LDFLAGS
])
