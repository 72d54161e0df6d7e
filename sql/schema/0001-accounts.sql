-- 0001: domains, mailboxes and aliases.
--
-- The three tables of the ISPmail guides, with their names and columns, and
-- columns of ours that all have defaults.  On a database that already has
-- the guides' tables they are widened in place: every step may be repeated,
-- and "exists already" (errors 1050, 1060, 1061, 1826) is no failure here.
-- By hand: mariadb --force postroom < 0001-accounts.sql

CREATE TABLE IF NOT EXISTS virtual_domains (
	id INT NOT NULL AUTO_INCREMENT,
	name VARCHAR(255) NOT NULL,
	PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS virtual_users (
	id INT NOT NULL AUTO_INCREMENT,
	domain_id INT NOT NULL,
	email VARCHAR(320) NOT NULL,
	password VARCHAR(512) NOT NULL,
	quota BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (id),
	FOREIGN KEY (domain_id) REFERENCES virtual_domains(id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS virtual_aliases (
	id INT NOT NULL AUTO_INCREMENT,
	domain_id INT NOT NULL,
	source VARCHAR(320) NOT NULL,
	destination VARCHAR(1024) NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY (domain_id) REFERENCES virtual_domains(id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Tables of older guides have no quota, or NULL in it.
ALTER TABLE virtual_users ADD COLUMN quota BIGINT DEFAULT 0;
UPDATE virtual_users SET quota = 0 WHERE quota IS NULL;
UPDATE virtual_users SET password = '' WHERE password IS NULL;

-- Addresses are compared by their octets: other collations take aenna with
-- two dots and anna for the same.  Accounts that the tables may hold today
-- differ by more than case already, so nothing collides.
ALTER TABLE virtual_domains
	MODIFY name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL;
ALTER TABLE virtual_users
	MODIFY email VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
	MODIFY password VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
	MODIFY quota BIGINT NOT NULL DEFAULT 0;
ALTER TABLE virtual_aliases
	MODIFY source VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
	MODIFY destination VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL;

ALTER TABLE virtual_domains ADD COLUMN enabled TINYINT(1) NOT NULL DEFAULT 1;
ALTER TABLE virtual_domains ADD COLUMN alias_of VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL DEFAULT NULL COMMENT 'all addresses lead to the same local part there';
ALTER TABLE virtual_domains ADD COLUMN description VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '';
ALTER TABLE virtual_domains ADD COLUMN created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE virtual_domains ADD COLUMN changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP;

ALTER TABLE virtual_users ADD COLUMN enabled TINYINT(1) NOT NULL DEFAULT 1;
ALTER TABLE virtual_users ADD COLUMN name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '' COMMENT 'of the person';
ALTER TABLE virtual_users ADD COLUMN quota_messages BIGINT NOT NULL DEFAULT 0 COMMENT '0: no limit';
ALTER TABLE virtual_users ADD COLUMN home VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL DEFAULT NULL COMMENT 'below the mail root; NULL: DOMAIN/LOCAL-PART';
ALTER TABLE virtual_users ADD COLUMN host VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL DEFAULT NULL COMMENT 'where the mailbox lives; NULL: here';
ALTER TABLE virtual_users ADD COLUMN created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE virtual_users ADD COLUMN changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP;

ALTER TABLE virtual_aliases ADD COLUMN enabled TINYINT(1) NOT NULL DEFAULT 1;
ALTER TABLE virtual_aliases ADD COLUMN send_as TINYINT(1) NOT NULL DEFAULT 1 COMMENT 'the mailboxes it leads to may send as it';
ALTER TABLE virtual_aliases ADD COLUMN created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE virtual_aliases ADD COLUMN changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP;

UPDATE virtual_domains SET name = LOWER(TRIM(name));
UPDATE virtual_users SET email = LOWER(TRIM(email));
UPDATE virtual_aliases SET source = LOWER(TRIM(source));

ALTER TABLE virtual_domains ADD UNIQUE KEY name (name);
ALTER TABLE virtual_users ADD UNIQUE KEY email (email);
ALTER TABLE virtual_aliases ADD KEY source (source);
ALTER TABLE virtual_domains ADD KEY alias_of (alias_of);

DROP TRIGGER IF EXISTS virtual_domains_insert;
CREATE TRIGGER virtual_domains_insert BEFORE INSERT ON virtual_domains FOR EACH ROW
	SET NEW.name = LOWER(TRIM(NEW.name)), NEW.alias_of = LOWER(TRIM(NEW.alias_of));
DROP TRIGGER IF EXISTS virtual_domains_update;
CREATE TRIGGER virtual_domains_update BEFORE UPDATE ON virtual_domains FOR EACH ROW
	SET NEW.name = LOWER(TRIM(NEW.name)), NEW.alias_of = LOWER(TRIM(NEW.alias_of));
DROP TRIGGER IF EXISTS virtual_users_insert;
CREATE TRIGGER virtual_users_insert BEFORE INSERT ON virtual_users FOR EACH ROW
	SET NEW.email = LOWER(TRIM(NEW.email));
DROP TRIGGER IF EXISTS virtual_users_update;
CREATE TRIGGER virtual_users_update BEFORE UPDATE ON virtual_users FOR EACH ROW
	SET NEW.email = LOWER(TRIM(NEW.email));
DROP TRIGGER IF EXISTS virtual_aliases_insert;
CREATE TRIGGER virtual_aliases_insert BEFORE INSERT ON virtual_aliases FOR EACH ROW
	SET NEW.source = LOWER(TRIM(NEW.source)), NEW.destination = TRIM(NEW.destination);
DROP TRIGGER IF EXISTS virtual_aliases_update;
CREATE TRIGGER virtual_aliases_update BEFORE UPDATE ON virtual_aliases FOR EACH ROW
	SET NEW.source = LOWER(TRIM(NEW.source)), NEW.destination = TRIM(NEW.destination);
