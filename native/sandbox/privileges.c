/* What init and a step that a zygote forked give up before anything hostile runs: one code for both. Needs CAP_SETPCAP.
 */
#include "sandbox/internal.h"

#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Locked for good: root inside is an id like any other, and no id change ever gives a capability back. */
enum {
    SECUREBITS = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                 SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
};

int drop_bounding_set(const struct define *policy, struct failure *failure)
{
    int capability = 0, failed = 0;
    for (; !failed; capability++) {
        if (!policy->zygote || capability > 31 || !(1u << capability & ZYGOTE_CAPABILITIES))
            failed = prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
    /* EINVAL tells that the kernel knows no more of them; anything else that one stayed. */
    return errno != EINVAL || capability <= CAP_AUDIT_READ ? fail_layer(failure, LAYER_CAPABILITIES) : 0;
}

int lock_securebits(const struct define *policy, struct failure *failure)
{
    /* A zygote locks them later: it has to hand its two on to the interpreter that it becomes. */
    int bits = policy->zygote ? SECBIT_NO_SETUID_FIXUP : SECUREBITS;
    return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) ? fail_layer(failure, LAYER_SECUREBITS) : 0;
}

/* Ambient ones, the only kind that survives execve with these securebits; and no others. */
int keep_zygote_capabilities(struct failure *failure)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = ZYGOTE_CAPABILITIES | 1u << CAP_SETPCAP,
                                              .permitted = ZYGOTE_CAPABILITIES | 1u << CAP_SETPCAP,
                                              .inheritable = ZYGOTE_CAPABILITIES}};
    if (syscall(SYS_capset, &header, data) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_CHROOT, 0, 0) ||
        prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) || prctl(PR_CAPBSET_DROP, CAP_SYS_CHROOT, 0, 0, 0))
        return fail_layer(failure, LAYER_CAPABILITIES);
    if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0))
        return fail_layer(failure, LAYER_SECUREBITS);
    data[0].effective = data[0].permitted = ZYGOTE_CAPABILITIES;
    return syscall(SYS_capset, &header, data) ? fail_layer(failure, LAYER_CAPABILITIES) : 0;
}

/* Of one of ours that lives beside foreign code: nobody is to look into it. */
int keep_capabilities(uint32_t capabilities, struct failure *failure)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = capabilities, .permitted = capabilities}};
    if (syscall(SYS_capset, &header, data) || prctl(PR_SET_DUMPABLE, 0))
        return fail_layer(failure, LAYER_CAPABILITIES);
    return 0;
}

/* A keyring of its own for all inside; the app's, or the zygote's, would be found in every step otherwise. Where no
 * step can use one, all have their maker's, or their zygote's. */
int join_new_keyring(const struct define *policy, struct failure *failure)
{
    return policy->keyless ? 0 : make_new_keyring(failure);
}

int make_new_keyring(struct failure *failure)
{
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 || errno == ENOSYS)
        return 0;
    if (errno == EDQUOT) /* counted for the app's own uid, where steps have no other; the end of one gives it back */
        return fail(failure, STAGE_RESOURCES, "/proc/sys/kernel/keys/maxkeys");
    return fail_layer(failure, LAYER_USER);
}
