-- grants.sql: one database account for each need, all on the default
-- database.  MariaDB; the accounts are those of the system users, let in by
-- the unix socket, without a password:
--
--	mariadb postroom < grants.sql
--
-- For a server on another machine, or MySQL, make the same accounts with a
-- password (CREATE USER ... IDENTIFIED BY ...) and run the GRANTs.

-- authd: reads the accounts, keeps the platform's state.
CREATE USER IF NOT EXISTS 'postroom-auth'@'localhost' IDENTIFIED VIA unix_socket;
GRANT SELECT ON virtual_domains TO 'postroom-auth'@'localhost';
GRANT SELECT ON virtual_users TO 'postroom-auth'@'localhost';
GRANT SELECT ON virtual_aliases TO 'postroom-auth'@'localhost';
GRANT SELECT ON pr_migrations TO 'postroom-auth'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON pr_scram TO 'postroom-auth'@'localhost';
GRANT SELECT ON pr_send_as TO 'postroom-auth'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON pr_last_login TO 'postroom-auth'@'localhost';

-- Whoever administers: all of this database, nothing of another.  The postroom
-- command of root needs no account but MariaDB's own root@localhost.
CREATE USER IF NOT EXISTS 'postroom-admin'@'localhost' IDENTIFIED VIA unix_socket;
GRANT ALL PRIVILEGES ON * TO 'postroom-admin'@'localhost';

-- Webmail, as the web server's user: changes a password by the function, reads
-- what its pages show, never a hash.
CREATE USER IF NOT EXISTS 'www-data'@'localhost' IDENTIFIED VIA unix_socket;
GRANT EXECUTE ON FUNCTION update_passwd TO 'www-data'@'localhost';
GRANT SELECT (id, domain_id, email, name, quota, quota_messages, enabled) ON virtual_users TO 'www-data'@'localhost';
GRANT SELECT (id, name, enabled, alias_of) ON virtual_domains TO 'www-data'@'localhost';
GRANT SELECT (id, domain_id, source, destination, enabled) ON virtual_aliases TO 'www-data'@'localhost';
