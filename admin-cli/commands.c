/*
 * commands.c - every command there is: from this table come parsing, help
 * and completion; tests compare it with the manual page.
 */
#include "admin-cli/cli.h"

#define END                      \
	{                        \
		NULL, NULL, NULL \
	}

const struct option global_options[] = {
	{ "config", "FILE", "settings file (-c; else $POSTROOM_CONF)" },
	{ "json", NULL, "JSON on standard output" },
	{ "verbose", NULL, "also what the libraries say (-v)" },
	{ "help", NULL, "this page (-h)" },
	END,
};

static const struct option domain_options[] = {
	{ "description", "TEXT", "for people" },
	{ "alias-of", "DOMAIN", "its addresses lead to the same local part there" },
	{ "disabled", NULL, "make it, but take no mail for it yet" },
	END,
};

static const struct option domain_set_options[] = {
	{ "description", "TEXT", "for people" },
	{ "alias-of", "DOMAIN", "its addresses lead to the same local part there; none" },
	END,
};

static const struct option domain_remove_options[] = {
	{ "with-aliases", NULL, "also when it has aliases" },
	END,
};

static const struct option mailbox_options[] = {
	{ "name", "TEXT", "of the person" },
	{ "quota", "SIZE", "500M, 2G; none, the default" },
	{ "quota-messages", "N", "at most so many messages; 0: no limit" },
	{ "password-stdin", NULL, "the password is the first line of standard input" },
	{ "generate", NULL, "make up a password and print it" },
	{ "disabled", NULL, "no mail and no logins yet" },
	END,
};

static const struct option mailbox_set_options[] = {
	{ "name", "TEXT", "of the person" },
	{ "quota", "SIZE", "500M, 2G, none" },
	{ "quota-messages", "N", "at most so many messages; 0: no limit" },
	{ "host", "NAME", "where the mailbox lives; here" },
	{ "address", "ADDRESS", "rename it; its mail goes along" },
	END,
};

static const struct option password_options[] = {
	{ "password-stdin", NULL, "the password is the first line of standard input" },
	{ "generate", NULL, "make up a password and print it" },
	END,
};

static const struct option alias_options[] = {
	{ "no-send-as", NULL, "the mailboxes it leads to may not send as it" },
	{ "disabled", NULL, "make it, but do not follow it yet" },
	END,
};

static const struct option alias_set_options[] = {
	{ "send-as", "yes|no", "may the mailboxes it leads to send as it?" },
	END,
};

static const struct option queue_show_options[] = {
	{ "message", NULL, "print the message itself" },
	END,
};

static const struct option queue_retry_options[] = {
	{ "all", NULL, "everything that waits" },
	END,
};

static const struct option queue_drop_options[] = {
	{ "bounce", NULL, "tell the sender" },
	END,
};

static const struct option config_show_options[] = {
	{ "changed", NULL, "only what differs from the defaults" },
	END,
};

static const struct option db_init_options[] = {
	{ "as", "USER", "the server's account that may do this (root)" },
	{ "password-stdin", NULL, "its password is the first line of standard input" },
	{ "no-grants", NULL, "leave making the accounts to you" },
	END,
};

const char *
group_help(const char *group)
{
	static const struct {
		const char *group, *help;
	} groups[] = {
		{ "domain", "the domains hosted here" },
		{ "mailbox", "who can log in and receive" },
		{ "alias", "addresses that lead to others" },
		{ "queue", "what waits to be delivered" },
		{ "config", "the settings" },
		{ "db", "the database" },
	};

	for (size_t i = 0; i < COUNT_OF(groups); i++)
		if (strcmp(groups[i].group, group) == 0)
			return groups[i].help;
	return NULL;
}

const struct command commands[] = {
	{ "domain", "add", "NAME", "Host a domain.", 1, 1, domain_options,
	    "  postroom domain add example.test\n"
	    "  postroom domain add example.net --alias-of example.test\n",
	    domain_add, 0 },
	{ "domain", "list", "", "Show all domains.", 0, 0, NULL,
	    "  postroom domain list\n"
	    "  postroom domain list --json\n",
	    domain_list, 0 },
	{ "domain", "show", "NAME", "Show one domain.", 1, 1, NULL,
	    "  postroom domain show example.test\n", domain_show, 0 },
	{ "domain", "set", "NAME", "Change a domain.", 1, 1, domain_set_options,
	    "  postroom domain set example.test --description 'The society'\n"
	    "  postroom domain set example.net --alias-of none\n",
	    domain_set, 0 },
	{ "domain", "remove", "NAME", "Host a domain no longer.", 1, 1, domain_remove_options,
	    "  postroom domain remove example.test\n", domain_remove, 0 },
	{ "domain", "enable", "NAME", "Take its mail and logins again.", 1, 1, NULL,
	    "  postroom domain enable example.test\n", domain_enable, 0 },
	{ "domain", "disable", "NAME", "Take no mail and no logins for it.", 1, 1, NULL,
	    "  postroom domain disable example.test\n", domain_disable, 0 },

	{ "mailbox", "add", "ADDRESS", "Make a mailbox.", 1, 1, mailbox_options,
	    "  postroom mailbox add ann@example.test --name 'Ann Ang' --quota 2G\n"
	    "  postroom mailbox add ben@example.test --generate\n"
	    "  echo s3cret-enough | postroom mailbox add eve@example.test --password-stdin\n",
	    mailbox_add, 0 },
	{ "mailbox", "list", "[DOMAIN]", "Show mailboxes.", 0, 1, NULL,
	    "  postroom mailbox list\n"
	    "  postroom mailbox list example.test --json\n",
	    mailbox_list, 0 },
	{ "mailbox", "show", "ADDRESS", "Show one mailbox.", 1, 1, NULL,
	    "  postroom mailbox show ann@example.test\n", mailbox_show, 0 },
	{ "mailbox", "set", "ADDRESS", "Change or rename a mailbox.", 1, 1, mailbox_set_options,
	    "  postroom mailbox set ann@example.test --quota 5G\n"
	    "  postroom mailbox set ann@example.test --address ann.ang@example.test\n",
	    mailbox_set, 0 },
	{ "mailbox", "password", "ADDRESS", "Set its password.", 1, 1, password_options,
	    "  postroom mailbox password ann@example.test\n"
	    "  postroom mailbox password ann@example.test --generate\n",
	    mailbox_password, 0 },
	{ "mailbox", "remove", "ADDRESS", "Remove it; its mail is kept aside for a while.", 1, 1,
	    NULL, "  postroom mailbox remove ann@example.test\n", mailbox_remove, 0 },
	{ "mailbox", "restore", "ADDRESS", "Bring a removed mailbox back.", 1, 1, NULL,
	    "  postroom mailbox restore ann@example.test\n", mailbox_restore, 0 },
	{ "mailbox", "enable", "ADDRESS", "Take its mail and logins again.", 1, 1, NULL,
	    "  postroom mailbox enable ann@example.test\n", mailbox_enable, 0 },
	{ "mailbox", "disable", "ADDRESS", "Take no mail, end its sessions.", 1, 1, NULL,
	    "  postroom mailbox disable ann@example.test\n", mailbox_disable, 0 },

	{ "alias", "add", "ADDRESS TO...", "Let an address lead to others.", 2, CLI_OPERANDS_MAX,
	    alias_options,
	    "  postroom alias add info@example.test ann@example.test ben@example.test\n"
	    "  postroom alias add @example.test ann@example.test     (all that is not there)\n",
	    alias_add, 0 },
	{ "alias", "list", "[DOMAIN]", "Show aliases.", 0, 1, NULL,
	    "  postroom alias list example.test\n", alias_list, 0 },
	{ "alias", "show", "ADDRESS", "Show one alias.", 1, 1, NULL,
	    "  postroom alias show info@example.test\n", alias_show, 0 },
	{ "alias", "set", "ADDRESS", "Change an alias.", 1, 1, alias_set_options,
	    "  postroom alias set info@example.test --send-as no\n", alias_set, 0 },
	{ "alias", "remove", "ADDRESS [TO...]", "Remove it, or some destinations.", 1,
	    CLI_OPERANDS_MAX, NULL,
	    "  postroom alias remove info@example.test\n"
	    "  postroom alias remove info@example.test ben@example.test\n",
	    alias_remove, 0 },
	{ "alias", "enable", "ADDRESS", "Follow it again.", 1, 1, NULL,
	    "  postroom alias enable info@example.test\n", alias_enable, 0 },
	{ "alias", "disable", "ADDRESS", "Do not follow it.", 1, 1, NULL,
	    "  postroom alias disable info@example.test\n", alias_disable, 0 },
	{ "alias", "test", "ADDRESS", "Where does mail for an address go, and why?", 1, 1, NULL,
	    "  postroom alias test info@example.test\n", alias_test, 0 },

	{ "queue", "list", "", "Show what waits.", 0, 0, NULL, "  postroom queue list\n",
	    queue_list, 0 },
	{ "queue", "show", "ID", "Show one message and its recipients.", 1, 1, queue_show_options,
	    "  postroom queue show 7f3a1\n"
	    "  postroom queue show 7f3a1 --message | less\n",
	    queue_show, 0 },
	{ "queue", "retry", "[ID]", "Try now.", 0, 1, queue_retry_options,
	    "  postroom queue retry 7f3a1\n"
	    "  postroom queue retry --all\n",
	    queue_retry, 0 },
	{ "queue", "drop", "ID", "Remove a message from the queue.", 1, 1, queue_drop_options,
	    "  postroom queue drop 7f3a1\n"
	    "  postroom queue drop 7f3a1 --bounce\n",
	    queue_drop, 0 },

	{ "config", "check", "[FILE]", "Is the settings file right?", 0, 1, NULL,
	    "  postroom config check\n"
	    "  postroom config check ./postroom.conf.new\n",
	    config_check, 0 },
	{ "config", "show", "[SETTING]", "Show what is in force, and where it comes from.", 0, 1,
	    config_show_options,
	    "  postroom config show\n"
	    "  postroom config show message_size\n",
	    config_show, 0 },

	{ "db", "init", "", "Make database, tables and accounts; may be repeated.", 0, 0,
	    db_init_options,
	    "  postroom db init\n"
	    "  postroom db init --as admin --password-stdin <password-file\n",
	    db_init, 0 },
	{ "db", "migrate", "", "Bring the tables up to date.", 0, 0, NULL,
	    "  postroom db migrate\n", db_migrate, 0 },
	{ "db", "status", "", "Are the tables up to date?", 0, 0, NULL, "  postroom db status\n",
	    db_status, 0 },

	{ NULL, "status", "", "How are the daemons, the queue and the database?", 0, 0, NULL,
	    "  postroom status\n"
	    "  postroom status --json\n",
	    platform_status, 0 },
	{ NULL, "reload", "", "Put changed settings and certificates in force.", 0, 0, NULL,
	    "  postroom config check && postroom reload\n", platform_reload, 0 },
	{ NULL, "stop", "", "Let sessions finish, then end all daemons.", 0, 0, NULL,
	    "  postroom stop\n", platform_stop, 0 },
	{ NULL, "complete", "WORD...", "Offer words, for the shell.", 0, CLI_OPERANDS_MAX, NULL,
	    "  postroom complete mailbox a\n", complete, COMMAND_HIDDEN | COMMAND_RAW },
	{ 0 },
};
