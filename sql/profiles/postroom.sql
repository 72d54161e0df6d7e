-- The statements of the postroom profile: our own tables, which are those of
-- the ISPmail guides with more columns.  An administrator overrides any of
-- them by name in a file of his own (setting sql_statements); columns are
-- taken by name, so a statement may leave out those that have a default.

-- --- authd ---

-- name: route
-- All that the tables say about one address, in one round trip.  kind: d the
-- domain, m a mailbox, a an alias.  :base is the address without its
-- subaddress, :catchall is '@domain'.
SELECT 'd' AS kind, name AS address, alias_of AS target, enabled,
	NULL AS home, NULL AS host, 0 AS quota, 0 AS quota_messages, 1 AS send_as
	FROM virtual_domains WHERE name = :domain
UNION ALL
SELECT 'm', email, NULL, enabled, home, host, quota, quota_messages, 1
	FROM virtual_users WHERE email IN (:address, :base)
UNION ALL
SELECT 'a', source, destination, enabled, NULL, NULL, 0, 0, send_as
	FROM virtual_aliases WHERE source IN (:address, :base, :catchall)
LIMIT 2000;

-- name: login
-- What a login needs.  domain_enabled is 1 too where no row says otherwise.
SELECT u.email AS address, u.password, u.enabled, u.home, u.host, u.quota, u.quota_messages,
	u.name, COALESCE((SELECT d.enabled FROM virtual_domains d
		WHERE d.name = SUBSTRING_INDEX(u.email, '@', -1)), 1) AS domain_enabled
	FROM virtual_users u WHERE u.email = :address;

-- name: any_password
-- One stored password, to know what a verification costs here.
SELECT password FROM virtual_users WHERE password <> '' ORDER BY id DESC LIMIT 1;

-- name: scram_read
SELECT mechanism, verifier, HEX(made_for) AS made_for FROM pr_scram WHERE address = :address;

-- name: scram_write
INSERT INTO pr_scram (address, mechanism, verifier, made_for)
	VALUES (:address, :mechanism, :verifier, UNHEX(:made_for))
	ON DUPLICATE KEY UPDATE verifier = VALUES(verifier), made_for = VALUES(made_for);

-- name: scram_missing
-- Is there a mailbox that can log in, but not by SCRAM?
SELECT EXISTS (SELECT 1 FROM virtual_users u LEFT JOIN pr_scram s
	ON s.address = u.email AND s.mechanism = :mechanism
		AND s.made_for = UNHEX(SHA2(u.password, 256))
	WHERE u.enabled = 1 AND u.password <> '' AND u.password NOT LIKE '{SCRAM-%' AND s.address IS NULL) AS missing;

-- name: send_as
SELECT address FROM pr_send_as WHERE login = :login AND address IN (:address, :domain_wide);

-- name: login_count
-- Written behind: the mailbox may have been removed since, and then leaves nothing behind.
INSERT INTO pr_last_login (address, service, remote)
	SELECT u.email, :service, :remote FROM virtual_users u WHERE u.email = :address
	ON DUPLICATE KEY UPDATE at = CURRENT_TIMESTAMP, remote = VALUES(remote);

-- name: ping
SELECT 1 AS one;

-- --- the postroom command: domains ---

-- name: domain_list
SELECT d.id, d.name, d.enabled, d.alias_of, d.description,
	DATE_FORMAT(d.created, '%Y-%m-%dT%H:%i:%sZ') AS created,
	DATE_FORMAT(d.changed, '%Y-%m-%dT%H:%i:%sZ') AS changed,
	(SELECT COUNT(*) FROM virtual_users u WHERE u.domain_id = d.id) AS mailboxes,
	(SELECT COUNT(DISTINCT a.source) FROM virtual_aliases a WHERE a.domain_id = d.id) AS aliases
	FROM virtual_domains d ORDER BY d.name;

-- name: domain_show
SELECT d.id, d.name, d.enabled, d.alias_of, d.description,
	DATE_FORMAT(d.created, '%Y-%m-%dT%H:%i:%sZ') AS created,
	DATE_FORMAT(d.changed, '%Y-%m-%dT%H:%i:%sZ') AS changed,
	(SELECT COUNT(*) FROM virtual_users u WHERE u.domain_id = d.id) AS mailboxes,
	(SELECT COUNT(DISTINCT a.source) FROM virtual_aliases a WHERE a.domain_id = d.id) AS aliases
	FROM virtual_domains d WHERE d.name = :name;

-- name: domain_add
INSERT INTO virtual_domains (name, alias_of, description) VALUES (:name, :alias_of, :description);

-- name: domain_set
UPDATE virtual_domains SET alias_of = :alias_of, description = :description WHERE name = :name;

-- name: domain_enable
UPDATE virtual_domains SET enabled = :enabled WHERE name = :name;

-- name: domain_remove
-- Its mailboxes and aliases go with it (the foreign keys cascade).
DELETE FROM virtual_domains WHERE name = :name;

-- --- mailboxes ---

-- name: mailbox_list
SELECT u.id, u.email AS address, u.enabled, u.name, u.quota, u.quota_messages, u.home, u.host,
	DATE_FORMAT(u.created, '%Y-%m-%dT%H:%i:%sZ') AS created,
	DATE_FORMAT(u.changed, '%Y-%m-%dT%H:%i:%sZ') AS changed
	FROM virtual_users u JOIN virtual_domains d ON d.id = u.domain_id
	WHERE :domain IS NULL OR d.name = :domain
	ORDER BY d.name, u.email;

-- name: mailbox_show
SELECT u.id, u.email AS address, u.enabled, u.name, u.quota, u.quota_messages, u.home, u.host,
	u.password,
	DATE_FORMAT(u.created, '%Y-%m-%dT%H:%i:%sZ') AS created,
	DATE_FORMAT(u.changed, '%Y-%m-%dT%H:%i:%sZ') AS changed,
	DATE_FORMAT((SELECT MAX(l.at) FROM pr_last_login l WHERE l.address = u.email),
		'%Y-%m-%dT%H:%i:%sZ') AS last_login
	FROM virtual_users u WHERE u.email = :address;

-- name: mailbox_add
INSERT INTO virtual_users (domain_id, email, password, quota, quota_messages, name)
	SELECT id, :address, :password, :quota, :quota_messages, :name
	FROM virtual_domains WHERE name = :domain;

-- name: mailbox_set
UPDATE virtual_users SET quota = :quota, quota_messages = :quota_messages, name = :name,
	home = :home, host = :host WHERE email = :address;

-- name: mailbox_password
UPDATE virtual_users SET password = :password WHERE email = :address;

-- name: mailbox_rename
-- Aliases that led to the old address follow it (alias_follow).
UPDATE virtual_users SET email = :new_address,
	domain_id = (SELECT id FROM virtual_domains WHERE name = :domain)
	WHERE email = :address;

-- name: alias_follow
UPDATE virtual_aliases SET destination = :new_address WHERE destination = :address;

-- name: mailbox_enable
UPDATE virtual_users SET enabled = :enabled WHERE email = :address;

-- name: mailbox_remove
DELETE FROM virtual_users WHERE email = :address;

-- name: mailbox_forget_scram
DELETE FROM pr_scram WHERE address = :address;

-- name: mailbox_forget_logins
DELETE FROM pr_last_login WHERE address = :address;

-- name: mailbox_forget_send_as
DELETE FROM pr_send_as WHERE login = :address;

-- --- aliases ---

-- name: alias_list
SELECT a.id, a.source, a.destination, a.enabled, a.send_as,
	DATE_FORMAT(a.created, '%Y-%m-%dT%H:%i:%sZ') AS created,
	DATE_FORMAT(a.changed, '%Y-%m-%dT%H:%i:%sZ') AS changed
	FROM virtual_aliases a JOIN virtual_domains d ON d.id = a.domain_id
	WHERE :domain IS NULL OR d.name = :domain
	ORDER BY d.name, a.source, a.destination;

-- name: alias_show
SELECT a.id, a.source, a.destination, a.enabled, a.send_as,
	DATE_FORMAT(a.created, '%Y-%m-%dT%H:%i:%sZ') AS created,
	DATE_FORMAT(a.changed, '%Y-%m-%dT%H:%i:%sZ') AS changed
	FROM virtual_aliases a WHERE a.source = :source ORDER BY a.destination;

-- name: alias_leading_to
SELECT source FROM virtual_aliases WHERE destination = :destination ORDER BY source;

-- name: alias_forget_destination
DELETE FROM virtual_aliases WHERE destination = :destination;

-- name: alias_add
INSERT INTO virtual_aliases (domain_id, source, destination)
	SELECT id, :source, :destination FROM virtual_domains WHERE name = :domain;

-- name: alias_remove
DELETE FROM virtual_aliases WHERE source = :source;

-- name: alias_remove_destination
DELETE FROM virtual_aliases WHERE source = :source AND destination = :destination;

-- name: alias_enable
UPDATE virtual_aliases SET enabled = :enabled WHERE source = :source;

-- name: alias_send_as
UPDATE virtual_aliases SET send_as = :send_as WHERE source = :source;

-- --- who else may send as an address ---

-- name: send_as_list
SELECT login, address FROM pr_send_as WHERE :login IS NULL OR login = :login ORDER BY login, address;

-- name: send_as_add
INSERT INTO pr_send_as (login, address) VALUES (:login, :address);

-- name: send_as_remove
DELETE FROM pr_send_as WHERE login = :login AND address = :address;
