/* Options of the sanitizers, for the build that the tests run under them: makers start without any environment.
 * Leaks are not looked for: a maker, an init and a parked step end by _exit or execve, with what they hold. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
    return "detect_leaks=0:abort_on_error=0:exitcode=99:use_sigaltstack=0";
}

const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1:halt_on_error=1:exitcode=99";
}
