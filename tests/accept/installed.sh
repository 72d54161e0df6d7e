#!/bin/bash
# Run by test_installed.py in a mount namespace of its own: what the README tells an administrator to
# do, on copies of /usr, /etc and /var/lib.  installed.sh BUILD SCRATCH PORT_BASE CERTIFICATE KEY
set -eu
build=$1 scratch=$2 base=$3 certificate=$4 key=$5
mount -t tmpfs -o size=1g tmpfs "$scratch"
for folder in usr etc var/lib; do
    at=$scratch/${folder//\//-}
    mkdir "$at.upper" "$at.work"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$at.upper,workdir=$at.work" "/$folder" || exit 77
done
mount -t tmpfs -o mode=755 tmpfs /run
install -d -o mysql -g mysql /run/mysqld
rm -rf /var/lib/mysql /var/lib/postroom /etc/postroom
install -d -o mysql -g mysql /var/lib/mysql
supervisor='' database=''
finish() {
    [ -z "$supervisor" ] || kill "$supervisor" 2>/dev/null || true
    [ -z "$supervisor" ] || wait "$supervisor" || true
    [ -z "$database" ] || kill "$database" 2>/dev/null || true
    [ -z "$database" ] || wait "$database" || true
}
trap finish EXIT

echo "--- install"
meson install -C "$build" --no-rebuild --quiet >"$scratch/install.log" 2>&1 || { cat "$scratch/install.log"; exit 1; }
systemd-sysusers
systemd-tmpfiles --create postroom.conf
mariadb-install-db --user=mysql --datadir=/var/lib/mysql --skip-test-db >"$scratch/db.log" 2>&1
mariadbd --no-defaults --user=mysql --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock --skip-networking \
    --pid-file=/run/mysqld/pid >"$scratch/mariadbd.log" 2>&1 &
database=$!
for _ in $(seq 200); do
    mariadb-admin --socket=/run/mysqld/mysqld.sock ping >/dev/null 2>&1 && break
    sleep 0.1
done

echo "--- settings"
command -v postroom postroomd
status=0; postroom status >/dev/null 2>&1 || status=$?
echo "status before the start: $status"
cp "$certificate" /etc/postroom/cert.pem
cp "$key" /etc/postroom/key.pem
printf '%s\n' 'hostname = mail.example.net' 'tls_certificate = /etc/postroom/cert.pem' \
    'tls_key = /etc/postroom/key.pem' "port_base = $base" >>/etc/postroom/postroom.conf
postroom config check
postroom db init
postroom domain add example.org
echo secretsecret | postroom mailbox add you@example.org --password-stdin

echo "--- start"
postroomd 2>"$scratch/postroomd.log" &
supervisor=$!
for _ in $(seq 100); do
    postroom status >/dev/null 2>&1 && break
    sleep 0.1
done
postroom status >/dev/null || { cat "$scratch/postroomd.log"; exit 1; }
printf 'Subject: installed\r\n\r\nhello\r\n' >"$scratch/message"
curl -sS --url "smtp://127.0.0.1:$((base + 25))" --mail-from me@example.net --mail-rcpt you@example.org \
    --upload-file "$scratch/message"
curl -sSk --user you@example.org:secretsecret "imaps://127.0.0.1:$((base + 993))/INBOX;MAILINDEX=1"
man -w postroom
bash -c '. /usr/share/bash-completion/bash_completion 2>/dev/null; . /usr/share/bash-completion/completions/postroom
    complete -p postroom'
postroom stop
for _ in $(seq 100); do
    kill -0 "$supervisor" 2>/dev/null || break
    sleep 0.1
done
if kill -0 "$supervisor" 2>/dev/null; then echo "it did not stop"; exit 1; fi
echo "--- all done"
