<?php
// Roundcube with Postroom: put these lines at the end of /etc/roundcube/config.inc.php.

// Where the mail is.  The certificate has to be for this name.
$config['imap_host'] = 'tls://mail.example.test:143';
$config['smtp_host'] = 'tls://mail.example.test:587';

// People send as who they have logged in as.
$config['smtp_user'] = '%u';
$config['smtp_pass'] = '%p';

// Only for a certificate of your own authority:
$config['imap_conn_options'] = ['ssl' => ['verify_peer' => true, 'cafile' => '/etc/postroom/ca.pem']];
$config['smtp_conn_options'] = ['ssl' => ['verify_peer' => true, 'cafile' => '/etc/postroom/ca.pem']];

// Folders as they are called here; made at the first login.
$config['drafts_mbox'] = 'Drafts';
$config['junk_mbox'] = 'Junk';
$config['sent_mbox'] = 'Sent';
$config['trash_mbox'] = 'Trash';
$config['create_default_folders'] = true;

// People change their password themselves.  The plugin's default query,
// SELECT update_passwd(%P, %u), calls the function that `postroom db init` has made.
$config['plugins'] = ['password'];
$config['password_driver'] = 'sql';
$config['password_algorithm'] = 'hash-argon2id';
$config['password_db_dsn'] = 'mysql://www-data@unix(/run/mysqld/mysqld.sock)/postroom';
$config['password_minimum_length'] = 8;
$config['password_confirm_current'] = true;
