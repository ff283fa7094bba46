// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "member.h"
#include "serve.h"

#define PREEMPT	"/sys/kernel/debug/sched/preempt"

static int complaints;
static struct json_object *findings;	/* in their order */

static void find(bool good, const char *text)
{
	struct json_object *o = json_object_new_object();

	complaints += !good;
	json_object_object_add(o, "ok", json_object_new_boolean(good));
	json_object_object_add(o, "text", json_object_new_string(text));
	json_object_array_add(findings, o);
}

static void complain(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	find(false, text);
}

static void approve(const char *what)
{
	find(true, what);
}

/* ---- the host ---- */

/* The value of the last such line; false if there is none. */
static bool read_setting(const char *path, const char *key, char *value,
			 size_t size)
{
	FILE *file = fopen(path, "re");
	char line[256];
	bool found = false;

	while (file && fgets(line, sizeof(line), file)) {
		const char *rest = line + strspn(line, " \t");
		size_t length = strlen(key);

		if (strncmp(rest, key, length))
			continue;
		rest += length;
		rest += strspn(rest, " \t");
		if (*rest != '=')
			continue;
		rest += 1 + strspn(rest + 1, " \t\"'");
		snprintf(value, size, "%.*s", (int)strcspn(rest, "\"' \t\n"),
			 rest);
		found = true;
	}
	if (file)
		fclose(file);
	return found;
}

static void look_at_xl(const char *xl_conf)
{
	char value[32] = "auto";

	read_setting(xl_conf, "autoballoon", value, sizeof(value));
	if (!strcmp(value, "off") || !strcmp(value, "0"))
		approve("xl takes no memory from dom0 (autoballoon)");
	else
		complain("autoballoon is \"%s\" in %s: unless dom0_mem is set on Xen's "
			 "command line, xl shrinks dom0 for a new guest instead of "
			 "using what cagmad freed; set it to \"off\"", value,
			 xl_conf);
}

static void look_at_devices(void)
{
	static const char *const devices[] = { "/dev/xen/gntdev",
					       "/dev/xen/evtchn",
					       "/dev/xen/privcmd" };
	bool all = true;

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (!access(devices[i], R_OK | W_OK))
			continue;
		all = false;
		complain("%s can't be opened: is this dom0, and its module loaded?",
			 devices[i]);
	}
	if (all)
		approve("Xen's devices are there");
}

/*
 * A hypercall may take long: all memory of a domain is freed in one. Only a preemptible
 * kernel lets the daemon run meanwhile. `path` says "none (voluntary) full", or isn't
 * there: debugfs isn't mounted, or the kernel can't be told.
 */
static void look_at_preemption(const char *path)
{
	FILE *file = fopen(path, "re");
	char modes[64] = "";

	if (!file)
		return;
	if (fgets(modes, sizeof(modes), file)) {
		if (strstr(modes, "(full)") || strstr(modes, "(lazy)"))
			approve("dom0's kernel is preemptible");
		else
			complain("dom0's kernel is not preemptible: emergencies wait while "
				 "a domain is created or destroyed; boot it with preempt=full");
	}
	fclose(file);
}

/* Whoever may write there may tell the daemon what to do. */
static bool is_open_to_others(const char *path, mode_t forbidden)
{
	struct stat info;

	if (stat(path, &info))
		return false;
	if (!info.st_uid && !(info.st_mode & forbidden))
		return false;
	complain("%s belongs to user %u and has mode %03o: it must be root's, and %s may %s it",
		 path, info.st_uid, info.st_mode & 0777,
		 forbidden & S_IRWXG ? "nobody else" : "none but its group",
		 forbidden & S_IRWXO & ~S_IWOTH ? "use" : "write to");
	return true;
}

static void look_at_permissions(const char *config, const char *run_dir)
{
	char socket[256], readers[256];
	bool bad = false;

	snprintf(socket, sizeof(socket), "%s/" CAGMA_SOCKET, run_dir);
	snprintf(readers, sizeof(readers), "%s/" CAGMA_STATUS_SOCKET, run_dir);
	bad |= is_open_to_others(run_dir, S_IWGRP | S_IWOTH);
	bad |= is_open_to_others(socket, S_IRWXG | S_IRWXO);
	bad |= is_open_to_others(readers, S_IRWXO);
	if (*config)
		bad |= is_open_to_others(config, S_IWGRP | S_IWOTH);
	if (!bad && !access(run_dir, F_OK))
		approve("only root can tell cagmad what to do");
}

/* ---- the daemon ---- */

static void look_at_daemon(struct json_object *s)
{
	if (cagma_truth(s, "dry_run"))
		complain("cagmad is on a dry run: it changes nothing");
	if (cagma_truth(s, "paused"))
		complain("cagmad is paused: it changes nothing");
	if (strcmp(cagma_text(s, "xenstore"), "ok"))
		complain("xenstored is %s: guests are served by their pages alone, and new ones have to wait",
			 cagma_text(s, "xenstore"));
	if (!strcmp(cagma_text(s, "policy"), "static"))
		complain("the policy is static: nothing is ever changed");
	if (cagma_number(s, "invariant_violations"))
		complain("%lld invariants were broken: please report this",
			 cagma_number(s, "invariant_violations"));
	if (cagma_number(s, "spare_kib") < cagma_number(s, "reserve_kib"))
		complain("%lld MiB are spare and %lld should be: emergencies may have "
			 "to wait for donors", cagma_mib(s, "spare_kib"),
			 cagma_mib(s, "reserve_kib"));
	else
		approve("the reserve is full");
	if (cagma_number(s, "unattached"))
		complain("%lld domains have no page: their memory is left as it is; "
			 "load the module in them", cagma_number(s, "unattached"));
	if (cagma_number(s, "beyond"))
		complain("%lld domains are more than cagmad serves: they keep what "
			 "they have", cagma_number(s, "beyond"));
}

static void look_at_guest(struct json_object *g)
{
	const char *name = cagma_text(g, "name");

	if (strcmp(cagma_text(g, "state"), "live"))
		complain("%s is %s", name, cagma_text(g, "state"));
	if (cagma_truth(g, "stuck"))
		complain("%s doesn't give back memory: it has %lld MiB, its target "
			 "is %lld", name, cagma_mib(g, "alloc_kib"),
			 cagma_mib(g, "target_kib"));
	if (*cagma_text(g, "trouble"))
		complain("%s: Xen counts %lld MiB more than its balloon (%s), which "
			 "memory/videoram doesn't explain, nor a shim: it is believed "
			 "to owe them; look at what its domain was built with",
			 name, cagma_mib(g, "unexplained_kib"),
			 cagma_text(g, "trouble"));
	if (cagma_number(g, "max_kib") <= cagma_number(g, "min_kib"))
		complain("%s has no room to move: its minimum is its maximum",
			 name);
}

static void look_at_guests(struct json_object *s)
{
	struct json_object *o;
	int before = complaints;

	for (size_t i = 0; (o = cagma_item(s, "guests", i)); i++)
		look_at_guest(o);
	for (size_t i = 0; (o = cagma_item(s, "quarantined", i)); i++)
		complain("%s is %s: %s", cagma_text(o, "name"),
			 cagma_truth(o, "attached") ? "on probation" :
						      "in quarantine",
			 cagma_text(o, "reason"));
	if (complaints == before)
		approve("nothing is wrong with any guest");
}

/* From advice.c of the daemon, which knows the settings. */
static void pass_on(struct json_object *advice)
{
	struct json_object *o;

	for (size_t i = 0; (o = cagma_item(advice, "advice", i)); i++)
		complain("%s", json_object_get_string(o));
}

struct json_object *cagma_doctor_look(struct json_object *status,
				      struct json_object *advice,
				      const char *xl_conf, const char *run_dir)
{
	struct json_object *all = json_object_new_object();

	complaints = 0;
	findings = json_object_new_array();
	look_at_devices();
	look_at_xl(xl_conf);
	look_at_preemption(PREEMPT);
	look_at_permissions(cagma_text(status, "config"), run_dir);
	if (status) {
		look_at_daemon(status);
		look_at_guests(status);
		pass_on(advice);
	} else {
		complain("cagmad doesn't run");
	}
	json_object_object_add(all, "complaints",
			       json_object_new_int(complaints));
	json_object_object_add(all, "findings", findings);
	return all;
}

void cagma_doctor_print(const struct json_object *all)
{
	struct json_object *o;

	for (size_t i = 0; (o = cagma_item(all, "findings", i)); i++)
		printf("%s: %s\n", cagma_truth(o, "ok") ? "ok" : "warning",
		       cagma_text(o, "text"));
}
