dnl SPDX-License-Identifier: LGPL-2.1-or-later

dnl XENFERRY_WITH_FLAGS(CFLAGS, LDFLAGS, IF-WORKS, IF-NOT): links a program with both added.
dnl -Werror, because clang only warns of a flag that it does not know.
AC_DEFUN([XENFERRY_WITH_FLAGS], [
	xenferry_saved_cflags=$CFLAGS
	xenferry_saved_ldflags=$LDFLAGS
	CFLAGS="$CFLAGS -Werror $1"
	LDFLAGS="$LDFLAGS $2"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [xenferry_works=yes], [xenferry_works=no])
	CFLAGS=$xenferry_saved_cflags
	LDFLAGS=$xenferry_saved_ldflags
	AS_IF([test "x$xenferry_works" = xyes], [$3], [$4])
])

dnl XENFERRY_CC_FLAGS(VARIABLE, FLAGS): VARIABLE becomes those FLAGS that the compiler takes.
AC_DEFUN([XENFERRY_CC_FLAGS], [
	for xenferry_flag in $2; do
		AC_MSG_CHECKING([whether $CC takes $xenferry_flag])
		XENFERRY_WITH_FLAGS([$xenferry_flag], [],
			[AC_MSG_RESULT([yes])
			 $1="$$1 $xenferry_flag"],
			[AC_MSG_RESULT([no])])
	done
])

dnl XENFERRY_LINK_FLAGS(VARIABLE, FLAGS): the same for the linker.
AC_DEFUN([XENFERRY_LINK_FLAGS], [
	for xenferry_flag in $2; do
		AC_MSG_CHECKING([whether $CC links with $xenferry_flag])
		XENFERRY_WITH_FLAGS([-fPIE], [$xenferry_flag],
			[AC_MSG_RESULT([yes])
			 $1="$$1 $xenferry_flag"],
			[AC_MSG_RESULT([no])])
	done
])
