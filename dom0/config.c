// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libconfig.h>

#include "config.h"
#include "units.h"

/* All whole numbers of the file; the unit is the end of the name. */
static const struct setting {
	const char *name;
	long long low;
	long long high;
	long long initial;
	const char *meaning;
} settings[] = {
	{ "hard_reserve_mib", 16, 1048576, 64,
	  "free memory that Xen always keeps" },
	{ "reserve_mib", 16, 1048576, 128,
	  "free memory kept for emergencies, hard_reserve_mib included" },
	{ "period_ms", 100, 60000, 1000, "time between periodic passes" },
	{ "tick_ms", 20, 1000, 250, "time between readings of the pages" },
	{ "min_mib", 32, 1048576, 96,
	  "guarantee of a guest that has none of its own" },
	{ "cma_floor_mib", 4, 65536, 48, "least critical memory amount" },
	{ "release_mib", 4, 1048576, 32, "smallest surplus that is taken back" },
	{ "task_percent", 0, 100, 25,
	  "share of the emergency's task that counts for the CMA" },
	{ "threshold_percent", 10, 100, 75,
	  "share of the CMA below which a guest kicks" },
	{ "horizon_ms", 100, 60000, 500, "growth is anticipated this far" },
	{ "window_ms", 1000, 15000, 10000, "growth is remembered this long" },
	{ "release_ms", 1000, 15000, 10000,
	  "a surplus is taken back after this long" },
	{ "donor_ms", 100, 15000, 1000,
	  "a surplus may be given to others after this long" },
	{ "grace_ms", 0, 60000, 10000, "after start nobody is shrunk" },
	{ "stale_ms", 500, 60000, 3000, "older data is not acted upon" },
	{ "available_mib", 0, 1048576, 200,
	  "a guest keeps so much available while there is memory" },
	{ "available_percent", 0, 50, 10,
	  "and this share of what it has, if that is more" },
	{ "retry_max_ms", 1000, 3600000, 300000,
	  "a guest in quarantine is tried again this often at least" },
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

struct error {
	char *text;
	size_t size;
	const char *path;
};

static bool fail(const struct error *e, const config_setting_t *where,
		 const char *format, ...)
{
	va_list args;
	int n = snprintf(e->text, e->size, "%s:%u: ", e->path,
			 config_setting_source_line(where));

	va_start(args, format);
	if (n > 0 && (size_t)n < e->size)
		vsnprintf(e->text + n, e->size - (size_t)n, format, args);
	va_end(args);
	return false;
}

static void assign(struct cagma_config *c, const char *name, uint64_t value)
{
	const uint64_t pages = cagma_mib_to_pages(value);
	const uint64_t ns = value * CAGMA_NS_PER_MS;
	const struct { const char *name; uint64_t *to; uint64_t value; } map[] = {
		{ "hard_reserve_mib", &c->hard_pages, pages },
		{ "reserve_mib", &c->reserve_pages, pages },
		{ "period_ms", &c->period_ns, ns },
		{ "tick_ms", &c->tick_ns, ns },
		{ "min_mib", &c->min_pages, pages },
		{ "cma_floor_mib", &c->tuning.cma_floor_pages, pages },
		{ "release_mib", &c->tuning.release_pages, pages },
		{ "horizon_ms", &c->tuning.horizon_ns, ns },
		{ "window_ms", &c->tuning.window_ns, ns },
		{ "release_ms", &c->tuning.release_ns, ns },
		{ "donor_ms", &c->tuning.donor_ns, ns },
		{ "grace_ms", &c->tuning.grace_ns, ns },
		{ "stale_ms", &c->tuning.stale_ns, ns },
		{ "retry_max_ms", &c->retry_max_ns, ns },
		{ "available_mib", &c->tuning.shape_pages, pages },
	};

	if (!strcmp(name, "task_percent"))
		c->tuning.task_percent = (uint32_t)value;
	else if (!strcmp(name, "threshold_percent"))
		c->tuning.threshold_percent = (uint32_t)value;
	else if (!strcmp(name, "available_percent"))
		c->tuning.shape_percent = (uint32_t)value;
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (!strcmp(name, map[i].name))
			*map[i].to = map[i].value;
}

void cagma_config_init(struct cagma_config *config)
{
	*config = (struct cagma_config){
		.policy = cagma_policy_find("cagma"),
	};
	for (size_t i = 0; i < SETTINGS; i++)
		assign(config, settings[i].name, (uint64_t)settings[i].initial);
}

void cagma_config_destroy(struct cagma_config *config)
{
	free(config->guests);
	config->guests = NULL;
	config->guest_count = 0;
}

static bool get_number(const struct error *e, const config_setting_t *s,
		       long long low, long long high, uint64_t *value)
{
	const char *name = config_setting_name(s);
	long long v;

	if (config_setting_type(s) != CONFIG_TYPE_INT &&
	    config_setting_type(s) != CONFIG_TYPE_INT64)
		return fail(e, s, "%s must be a whole number", name);
	v = config_setting_get_int64(s);
	if (v < low || v > high)
		return fail(e, s, "%s must be between %lld and %lld", name, low,
			    high);
	*value = (uint64_t)v;
	return true;
}

/* NULL after an error that was reported. */
static const char *get_text(const struct error *e, const config_setting_t *s)
{
	if (config_setting_type(s) == CONFIG_TYPE_STRING)
		return config_setting_get_string(s);
	fail(e, s, "%s must be a text in quotes", config_setting_name(s));
	return NULL;
}

/* Only such a name can be a guest's: see read_name() of store.c. */
static bool is_plain(const char *name)
{
	for (; *name; name++)
		if (*name <= ' ' || *name > '~' || *name == '"' ||
		    *name == '\\')
			return false;
	return true;
}

static bool read_name(const struct error *e, const config_setting_t *s,
		      struct cagma_guest_config *guest)
{
	const char *text = get_text(e, s);

	if (!text)
		return false;
	if (!*text || strlen(text) >= sizeof(guest->name))
		return fail(e, s, "name is empty or too long");
	if (!is_plain(text))
		return fail(e, s, "name has a character that guests are "
			    "shown with \"_\" for");
	memcpy(guest->name, text, strlen(text) + 1);
	return true;
}

/* 32 hexadecimal digits, with hyphens where xl shows them. */
static bool parse_uuid(const char *text, uint8_t uuid[CAGMA_UUID_BYTES])
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t digits = 0;

	if (strlen(text) != strlen(form))
		return false;
	memset(uuid, 0, CAGMA_UUID_BYTES);
	for (size_t i = 0; form[i]; i++) {
		unsigned char c = (unsigned char)text[i];

		if (form[i] == '-' ? c != '-' : !isxdigit(c))
			return false;
		if (c == '-')
			continue;
		c = (unsigned char)(isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
		uuid[digits / 2] |= (uint8_t)(c << (digits % 2 ? 0 : 4));
		digits++;
	}
	return true;
}

/* Xen's own UUID for a domain that was given none. */
static bool is_none(const uint8_t uuid[CAGMA_UUID_BYTES])
{
	static const uint8_t none[CAGMA_UUID_BYTES];

	return !memcmp(uuid, none, CAGMA_UUID_BYTES);
}

static bool read_uuid(const struct error *e, const config_setting_t *s,
		      struct cagma_guest_config *guest)
{
	const char *text = get_text(e, s);

	if (!text)
		return false;
	if (!parse_uuid(text, guest->uuid) || is_none(guest->uuid))
		return fail(e, s, "uuid is not one as xl list -v shows it");
	return true;
}

static bool read_guest_setting(const struct error *e, const config_setting_t *s,
			       struct cagma_guest_config *guest)
{
	const char *name = config_setting_name(s);
	uint64_t value = 0;

	if (!strcmp(name, "name"))
		return read_name(e, s, guest);
	if (!strcmp(name, "uuid"))
		return read_uuid(e, s, guest);
	if (!strcmp(name, "exempt")) {
		if (config_setting_type(s) != CONFIG_TYPE_BOOL)
			return fail(e, s, "exempt must be true or false");
		guest->exempt = config_setting_get_bool(s);
	} else if (!strcmp(name, "min_mib")) {
		if (!get_number(e, s, 32, 1048576, &value))
			return false;
		guest->min_pages = cagma_mib_to_pages(value);
	} else if (!strcmp(name, "max_mib")) {
		if (!get_number(e, s, 32, 16777216, &value))
			return false;
		guest->max_pages = cagma_mib_to_pages(value);
	} else if (!strcmp(name, "weight")) {
		if (!get_number(e, s, 1, 10000, &value))
			return false;
		guest->weight = (uint32_t)value;
	} else {
		return fail(e, s, "unknown guest setting \"%s\"", name);
	}
	return true;
}

static bool read_guest(const struct error *e, const config_setting_t *s,
		       struct cagma_guest_config *guest)
{
	if (config_setting_type(s) != CONFIG_TYPE_GROUP)
		return fail(e, s, "a guest is a group { name = ...; }");
	for (int i = 0; i < config_setting_length(s); i++)
		if (!read_guest_setting(e, config_setting_get_elem(s,
							(unsigned int)i),
					guest))
			return false;
	if (!guest->name[0] && is_none(guest->uuid))
		return fail(e, s, "this guest has no name and no uuid");
	if (guest->name[0] && !is_none(guest->uuid))
		return fail(e, s, "this guest has a name and a uuid: one is "
			    "enough");
	if (!strcmp(guest->name, CAGMA_DOM0_NAME) && !guest->min_pages &&
	    !guest->exempt)
		return fail(e, s, "dom0 needs a min_mib of its own, to live on");
	if (guest->max_pages && guest->min_pages > guest->max_pages)
		return fail(e, s, "min_mib is above max_mib");
	return true;
}

/* By UUID if it isn't none, otherwise by name. */
static const struct cagma_guest_config *
find_own(const struct cagma_config *config, const char *name,
	 const uint8_t uuid[CAGMA_UUID_BYTES])
{
	const bool by_name = is_none(uuid);

	for (size_t i = 0; i < config->guest_count; i++) {
		const struct cagma_guest_config *own = &config->guests[i];

		if (by_name ? *own->name && !strcmp(own->name, name) :
			      !memcmp(own->uuid, uuid, CAGMA_UUID_BYTES))
			return own;
	}
	return NULL;
}

static bool read_guests(const struct error *e, const config_setting_t *s,
			struct cagma_config *config)
{
	int count = config_setting_length(s);

	if (config_setting_type(s) != CONFIG_TYPE_LIST)
		return fail(e, s, "guests is a list ( { ... }, { ... } )");
	cagma_config_destroy(config);	/* a second list replaces the first */
	config->guests = calloc((size_t)count + 1, sizeof(*config->guests));
	if (!config->guests)
		return fail(e, s, "out of memory");
	for (int i = 0; i < count; i++) {
		struct cagma_guest_config *guest = &config->guests[i];
		const config_setting_t *elem =
			config_setting_get_elem(s, (unsigned int)i);

		if (!read_guest(e, elem, guest))
			return false;
		if (find_own(config, guest->name, guest->uuid))
			return fail(e, elem, "guest %s is listed twice",
				    *guest->name ? guest->name :
						   "of this uuid");
		config->guest_count++;
	}
	return true;
}

/* Where memory that nobody needs is kept. */
static bool read_idle(const struct error *e, const config_setting_t *s,
		      struct cagma_config *config)
{
	const char *text = get_text(e, s);

	if (!text)
		return false;
	config->tuning.idle_host = !strcmp(text, "host");
	return config->tuning.idle_host || !strcmp(text, "guests") ||
	       fail(e, s, "idle must be \"guests\" or \"host\"");
}

static bool read_setting(const struct error *e, const config_setting_t *s,
			 struct cagma_config *config)
{
	const char *name = config_setting_name(s), *text;
	uint64_t value = 0;

	if (!strcmp(name, "guests"))
		return read_guests(e, s, config);
	if (!strcmp(name, "idle"))
		return read_idle(e, s, config);
	if (!strcmp(name, "meminfo_guests")) {
		if (config_setting_type(s) != CONFIG_TYPE_BOOL)
			return fail(e, s, "meminfo_guests must be true or false");
		config->meminfo_guests = config_setting_get_bool(s);
		return true;
	}
	if (!strcmp(name, "policy")) {
		text = get_text(e, s);
		if (!text)
			return false;
		config->policy = cagma_policy_find(text);
		return config->policy ? true :
			fail(e, s, "policy must be one of %s",
			     cagma_policy_names());
	}
	for (size_t i = 0; i < SETTINGS; i++) {
		if (strcmp(name, settings[i].name))
			continue;
		if (!get_number(e, s, settings[i].low, settings[i].high,
				&value))
			return false;
		assign(config, name, value);
		return true;
	}
	return fail(e, s, "unknown setting \"%s\"", name);
}

/* The defaults agree with each other: one of the two is in the file. */
static const config_setting_t *either(const config_setting_t *root,
				      const char *one, const char *other)
{
	const config_setting_t *s = config_setting_get_member(root, one);

	return s ? s : config_setting_get_member(root, other);
}

static bool read_all(const struct error *e, const config_setting_t *root,
		     struct cagma_config *config)
{
	for (int i = 0; i < config_setting_length(root); i++)
		if (!read_setting(e, config_setting_get_elem(root,
							(unsigned int)i),
				  config))
			return false;
	config->own_period = config_setting_get_member(root, "period_ms");
	cagma_config_use(config, config->policy);
	if (config->reserve_pages < config->hard_pages)
		return fail(e, either(root, "reserve_mib", "hard_reserve_mib"),
			    "reserve_mib is below hard_reserve_mib");
	if (config->tick_ns > config->period_ns)
		return fail(e, either(root, "period_ms", "tick_ms"),
			    "tick_ms is above period_ms");
	return true;
}

void cagma_config_use(struct cagma_config *config,
		      const struct cagma_policy *policy)
{
	config->policy = policy;
	if (policy->period_ns && !config->own_period)
		config->period_ns = policy->period_ns;
}

int cagma_config_read(struct cagma_config *config, const char *path,
		      char *error, size_t error_size)
{
	const struct error e = { error, error_size, path };
	struct cagma_config new;
	FILE *file = fopen(path, "re");
	config_t text;
	bool ok;

	if (!file) {
		int err = errno;

		snprintf(error, error_size, "%s: %s", path, strerror(err));
		return -err;
	}
	cagma_config_init(&new);
	config_init(&text);
	ok = config_read(&text, file);
	fclose(file);
	if (!ok)
		snprintf(error, error_size, "%s:%d: %s", path,
			 config_error_line(&text), config_error_text(&text));
	ok = ok && read_all(&e, config_root_setting(&text), &new);
	config_destroy(&text);
	if (!ok) {
		cagma_config_destroy(&new);
		return -EINVAL;
	}
	cagma_config_destroy(config);
	*config = new;
	return 0;
}

const struct cagma_guest_config *
cagma_config_guest(const struct cagma_config *config, const char *name,
		   const uint8_t uuid[CAGMA_UUID_BYTES])
{
	static const uint8_t none[CAGMA_UUID_BYTES];
	const struct cagma_guest_config *own = NULL;

	if (!is_none(uuid))
		own = find_own(config, "", uuid);
	return own ? own : find_own(config, name, none);
}

bool cagma_config_manages_dom0(const struct cagma_config *config)
{
	static const uint8_t none[CAGMA_UUID_BYTES];
	const struct cagma_guest_config *own = find_own(config, CAGMA_DOM0_NAME, none);

	return own && own->min_pages && !own->exempt;
}

void cagma_config_apply(const struct cagma_config *config,
			struct cagma_guest *guest)
{
	const struct cagma_guest_config *own =
		cagma_config_guest(config, guest->name, guest->uuid);

	guest->max_pages = guest->static_max_pages;
	guest->min_pages = config->min_pages;
	guest->weight = own && own->weight ? own->weight : 1;
	if (own && own->max_pages)
		guest->max_pages = cagma_min(own->max_pages,
					     guest->static_max_pages);
	if (own && own->min_pages)
		guest->min_pages = own->min_pages;
	guest->min_pages = cagma_min(guest->min_pages, guest->max_pages);
	guest->exempt = (own && own->exempt) ||
			(!guest->domid && !cagma_config_manages_dom0(config));
}

void cagma_config_describe(FILE *out)
{
	for (size_t i = 0; i < SETTINGS; i++)
		fprintf(out, "  %-18s %6lld  (%lld to %lld)  %s\n",
			settings[i].name, settings[i].initial, settings[i].low,
			settings[i].high, settings[i].meaning);
}
