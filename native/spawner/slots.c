/* Slots: a leased identity and a cgroup each. Runs in the spawner.
 * A lease is an open-file-description lock on the byte of the uid-locks file that has the host uid's number: taken
 * atomically, seen by every spawner of the machine that shares the state directory, gone with the process that held it.
 * Which of them are this spawner's own, only it knows: to the kernel all its slots are one holder. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>

static bool lock_id(const struct spawner *spawner, uint32_t id, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)id + spawner->id_offset, .l_len = 2};
    return fcntl(spawner->uid_locks, F_OFD_SETLK, &lock) == 0;
}

/* The kernel tells one spawner from another by their locks, and would give each its own as often as it asks. */
static bool is_own(const struct spawner *spawner, uint32_t pair)
{
    return spawner->own_pairs[pair / 64] >> pair % 64 & 1;
}

static void set_own(struct spawner *spawner, uint32_t pair, bool own)
{
    uint64_t bit = (uint64_t)1 << pair % 64;
    spawner->own_pairs[pair / 64] = own ? spawner->own_pairs[pair / 64] | bit : spawner->own_pairs[pair / 64] & ~bit;
}

static int lease(struct spawner *spawner, struct slot *slot)
{
    /* Several spawners start their search at different places, so that they do not try each other's one by one. */
    uint32_t pairs = spawner->id_count / 2 < MOST_PAIRS ? spawner->id_count / 2 : MOST_PAIRS;
    uint32_t first = (uint32_t)(spawner->configure.instance % pairs);
    for (uint32_t i = 0; i < pairs; i++) {
        uint32_t pair = (uint32_t)(((uint64_t)first + slot->number + i) % pairs);
        uint32_t id = spawner->id_start + pair * 2;
        if (!is_own(spawner, pair) && lock_id(spawner, id, F_WRLCK)) {
            set_own(spawner, pair, true);
            slot->lease = (struct identity){.step = id, .root = id + 1, .leased = true};
            return 0;
        }
    }
    errno = EDQUOT;
    return -1;
}

static void end_lease(struct spawner *spawner, struct slot *slot)
{
    if (!slot->lease.leased)
        return;
    set_own(spawner, (slot->lease.step - spawner->id_start) / 2, false);
    lock_id(spawner, slot->lease.step, F_UNLCK);
    slot->lease.leased = false;
}

static bool wants_lease(const struct spawner *spawner, const struct policy *policy, const struct slot *slot)
{
    /* In the user namespace of a zygote that has none there is none. */
    if (slot->zygote && !slot->zygote->sandbox->slot->identity.leased)
        return false;
    /* A directory of the app's own user can be written by that user only, and one that is closed be read; idmapped
     * mounts would need the host's privileges. */
    return spawner->leases && (spawner->privileged || !(policy->has_writable || policy->has_closed));
}

/* Root of the spawner's own user namespace, if it has one, is the app's user: the one identity there is without a
 * lease. With host privileges it would be the host's root, and is never given. */
static int choose_identity(struct spawner *spawner, const struct policy *policy, struct slot *slot,
                           struct failure *failure)
{
    if (!wants_lease(spawner, policy, slot)) {
        slot->identity = (struct identity){.step = geteuid(), .root = geteuid(), .leased = false};
        errno = ENOSPC;
        /* Nor is root of a container, where no user namespace makes it somebody else. */
        if (policy->portable && spawner->began_as_root) {
            fail_layer(failure, LAYER_UID);
            failure->by = BY_NEEDS_NAMESPACES;
            return -1;
        }
        return spawner->privileged ? fail_layer(failure, LAYER_UID) : 0;
    }
    if (!slot->lease.leased && lease(spawner, slot))
        return fail(failure, STAGE_RESOURCES, "host user ids");
    slot->identity = slot->lease;
    return 0;
}

static void discard_cgroup(struct spawner *spawner, struct slot *slot)
{
    if (slot->oom.fd >= 0)
        epoll_ctl(spawner->epoll, EPOLL_CTL_DEL, slot->oom.fd, NULL);
    slot->oom.fd = -1;
    remove_cgroup(slot->cgroups, &slot->cgroup);
}

static struct slot *new_slot(struct spawner *spawner)
{
    struct slot *slot = calloc(1, sizeof(*slot));
    if (slot) {
        slot->number = spawner->slots_made++;
        slot->cgroups = &spawner->cgroups;
        slot->oom.fd = slot->user = -1;
    }
    return slot;
}

static bool has_new_notice(const struct slot *slot)
{
    return slot->cgroup.oom_notice >= 0 && slot->oom.fd < 0;
}

/* The next round of the loop may still hold an event of its notice: the memory goes with the dropped sandboxes'. */
static void remove_slot(struct spawner *spawner, struct slot *slot)
{
    discard_cgroup(spawner, slot);
    close_descriptor(&slot->user);
    end_lease(spawner, slot);
    slot->next = spawner->dropped_slots;
    spawner->dropped_slots = slot;
}

void free_dropped_slots(struct spawner *spawner)
{
    for (struct slot *slot; (slot = spawner->dropped_slots);) {
        spawner->dropped_slots = slot->next;
        free(slot);
    }
}

static struct slot *find_slot(struct spawner *spawner, struct zygote *zygote)
{
    struct slot **at = zygote && zygote->free_slots ? &zygote->free_slots : &spawner->free_slots;
    struct slot *slot = *at;
    if (!slot)
        return new_slot(spawner);
    *at = slot->next;
    spawner->free_count -= !slot->zygote;
    return slot;
}

static struct slot *furnish(struct spawner *spawner, struct slot *slot, struct failure *failure)
{
    if (!slot->cgroup.made && make_cgroup(slot->cgroups, &slot->cgroup, slot->number)) {
        fail(failure, STAGE_RESOURCES, "cgroups");
        discard_cgroup(spawner, slot);
        give_slot(spawner, slot);
        return NULL;
    }
    if (has_new_notice(slot) &&
        watch_descriptor(spawner, &slot->oom, slot->cgroup.oom_notice, oom_notice_events(slot->cgroups), oom_noticed)) {
        fail(failure, STAGE_RESOURCES, NULL);
        discard_cgroup(spawner, slot);
        give_slot(spawner, slot);
        return NULL;
    }
    return slot;
}

/* A command of a session has that one's identity, and a cgroup below that one's. */
static struct slot *take_slot_in_session(struct spawner *spawner, const struct policy *policy, struct failure *failure)
{
    struct session *session = find_session(spawner, policy->within);
    struct slot *slot = session ? session->free_slots : NULL;
    if (slot)
        session->free_slots = slot->next;
    else if (session)
        slot = new_slot(spawner);
    if (!slot) {
        fail(failure, session ? STAGE_RESOURCES : STAGE_SESSION, NULL);
        return NULL;
    }
    slot->session = session;
    slot->identity = session->sandbox->slot->identity;
    slot->cgroups = &session->cgroups;
    return furnish(spawner, slot, failure);
}

struct slot *take_slot(struct spawner *spawner, const struct policy *policy, struct failure *failure)
{
    if (policy->within)
        return take_slot_in_session(spawner, policy, failure);
    struct zygote *zygote = policy->below ? find_zygote(spawner, policy->below) : NULL;
    struct slot *slot = find_slot(spawner, zygote);
    if (!slot) {
        fail(failure, STAGE_RESOURCES, NULL);
        return NULL;
    }
    slot->zygote = zygote;
    if (choose_identity(spawner, policy, slot, failure)) {
        give_slot(spawner, slot);
        return NULL;
    }
    return furnish(spawner, slot, failure);
}

/* Init is gone, so nothing of the sandbox runs, and its IPC objects went with their namespace: the uid has no trace
 * left. But a zygote can keep the descriptors by which one joins the cgroup, and enter the user namespace, in which it
 * may take the uid: so what it was given is its own until it is gone. */
void give_slot(struct spawner *spawner, struct slot *slot)
{
    if (slot->session) {
        if (slot->session->over || slot->retired || !slot->cgroup.made || !can_reuse(slot->cgroups, &slot->cgroup)) {
            remove_slot(spawner, slot);
            return;
        }
        slot->next = slot->session->free_slots;
        slot->session->free_slots = slot;
        return;
    }
    if (slot->retired) {
        discard_cgroup(spawner, slot); /* its descriptors; what the kernel still holds of it is removed later */
        return;
    }
    if (slot->cgroup.made && !can_reuse(slot->cgroups, &slot->cgroup))
        discard_cgroup(spawner, slot);
    if (slot->zygote) {
        slot->next = slot->zygote->free_slots;
        slot->zygote->free_slots = slot;
        return;
    }
    if (spawner->free_count >= FREE_SLOTS) {
        remove_slot(spawner, slot);
        return;
    }
    spawner->free_count++;
    slot->next = spawner->free_slots;
    spawner->free_slots = slot;
}

void remove_slots_of(struct spawner *spawner, struct session *session)
{
    for (struct slot *slot; (slot = session->free_slots);) {
        session->free_slots = slot->next;
        remove_slot(spawner, slot);
    }
}

void take_slots_back(struct spawner *spawner, struct zygote *zygote)
{
    for (struct slot *slot; (slot = zygote->free_slots);) {
        zygote->free_slots = slot->next;
        slot->zygote = NULL;
        discard_cgroup(spawner, slot);
        give_slot(spawner, slot);
    }
}

void remove_slots(struct spawner *spawner)
{
    for (struct session *session = spawner->sessions; session; session = session->next)
        remove_slots_of(spawner, session);
    for (struct zygote *zygote = spawner->zygotes; zygote; zygote = zygote->next) {
        for (struct slot *slot = zygote->free_slots; slot; slot = slot->next)
            discard_cgroup(spawner, slot); /* the id stays leased */
    }
    for (struct slot *slot; (slot = spawner->free_slots);) {
        spawner->free_slots = slot->next;
        remove_slot(spawner, slot);
    }
    spawner->free_count = 0;
    close_spare_nets(spawner);
}
