-- 0002: the platform's own state, keyed by address, without foreign keys
-- into the tables of accounts, so that those may be another program's.

-- What SCRAM (RFC 5802) needs, made when a password is set or seen.  It
-- counts only while made_for is the SHA-256 of the password column, so a
-- password changed by any other way makes it void at once.
CREATE TABLE IF NOT EXISTS pr_scram (
	address VARCHAR(320) NOT NULL,
	mechanism VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	verifier VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'iterations:salt$stored-key:server-key',
	made_for BINARY(32) NOT NULL,
	made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
	PRIMARY KEY (address, mechanism)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Who else may send as an address; '@domain' stands for all of a domain.
CREATE TABLE IF NOT EXISTS pr_send_as (
	login VARCHAR(320) NOT NULL,
	address VARCHAR(320) NOT NULL,
	created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
	PRIMARY KEY (login, address)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The last good login by each service, written behind in batches.
CREATE TABLE IF NOT EXISTS pr_last_login (
	address VARCHAR(320) NOT NULL,
	service VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
	remote VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
	PRIMARY KEY (address, service)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

DROP TRIGGER IF EXISTS pr_send_as_insert;
CREATE TRIGGER pr_send_as_insert BEFORE INSERT ON pr_send_as FOR EACH ROW
	SET NEW.login = LOWER(TRIM(NEW.login)), NEW.address = LOWER(TRIM(NEW.address));
DROP TRIGGER IF EXISTS pr_send_as_update;
CREATE TRIGGER pr_send_as_update BEFORE UPDATE ON pr_send_as FOR EACH ROW
	SET NEW.login = LOWER(TRIM(NEW.login)), NEW.address = LOWER(TRIM(NEW.address));

-- Roundcube's password plugin asks SELECT update_passwd(%c, %u) when it is
-- told nothing else.  An unknown login is an error, so that the page says so.
DROP FUNCTION IF EXISTS update_passwd;
DELIMITER //
CREATE FUNCTION update_passwd(hash VARCHAR(512) CHARACTER SET utf8mb4, login VARCHAR(320) CHARACTER SET utf8mb4)
	RETURNS INT DETERMINISTIC MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
	DECLARE who VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
	DECLARE known INT DEFAULT 0;
	SET who = LOWER(TRIM(login));
	SELECT COUNT(*) INTO known FROM virtual_users WHERE email = who AND enabled = 1;
	-- What begins with neither is the password itself: a plugin that was not told to hash.
	IF known <> 1 OR hash IS NULL OR CHAR_LENGTH(hash) < 8 OR LEFT(hash, 1) NOT IN ('$', '{') THEN
		SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'update_passwd: no such login, or not a hash (see password_algorithm in the plugin)';
	END IF;
	UPDATE virtual_users SET password = hash WHERE email = who;
	RETURN 1;
END//
DELIMITER ;
