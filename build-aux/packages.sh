# packages.sh - the Debian packages each of our commands needs, and how they get onto a bare machine.
# Sourced by ./run and ./check.

packages_build=(
    gcc libc6-dev meson ninja-build pkg-config ccache
    libmariadb-dev libssl-dev libsasl2-dev libargon2-dev libcrypt-dev libunbound-dev libidn2-dev
    libunistring-dev libseccomp-dev libcap-ng-dev libjansson-dev libsmartcols-dev zlib1g-dev
    libcmocka-dev
)
packages_run=(mariadb-server mariadb-client openssl libsasl2-modules python3 iproute2 util-linux ca-certificates)
packages_check=(
    git clang clang-format libclang-rt-14-dev llvm binutils
    postfix dovecot-imapd swaks libnet-ssleay-perl curl isync mutt xfsprogs e2fsprogs gdb strace
)
packages_webmail=(
    roundcube-core roundcube-sqlite3 roundcube-plugins php-cgi php-cli php-mysql php-sqlite3
    chromium chromium-driver
)

# Which of these packages are not installed?
packages_missing() {
    local name
    for name in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
            echo "$name"
    done
}

# Nothing that a package brings may start by itself: this machine may well run another mail
# server or database on the standard ports.  The caller's own policy is put back afterwards.
policy_file=/usr/sbin/policy-rc.d

policy_guard() {
    if [ -e $policy_file ] && ! [ -e $policy_file.postroom ]; then
        mv $policy_file $policy_file.postroom
    fi
    printf '#!/bin/sh\n# placed by postroom while it installs packages\nexit 101\n' >$policy_file
    chmod 755 $policy_file
}

policy_restore() {
    if [ -e $policy_file.postroom ]; then
        mv $policy_file.postroom $policy_file
    elif grep -q 'placed by postroom' $policy_file 2>/dev/null; then
        rm -f $policy_file
    fi
}

# packages_install LOG NAME...: installs what is missing of these.  Waits for another apt.
packages_install() {
    local log=$1 status=0 missing
    shift
    mapfile -t missing < <(packages_missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${#missing[@]} packages: ${missing[*]}"
    exec 8>/run/lock/postroom-packages && flock 8   # one guard at a time
    policy_guard
    trap policy_restore EXIT
    {
        export DEBIAN_FRONTEND=noninteractive
        # Roundcube's and Postfix's questions have answers that configure nothing.
        printf '%s\n' 'roundcube-core roundcube/dbconfig-install boolean false' \
            'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
        apt-get -q -o DPkg::Lock::Timeout=600 update &&
            apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold \
                install --no-install-recommends "${missing[@]}"
    } >>"$log" 2>&1 </dev/null || status=$?
    policy_restore
    trap - EXIT
    exec 8>&-
    if [ $status -ne 0 ]; then
        tail -15 "$log" >&2
        say "apt-get could not install what is missing; the whole output is in $log"
        return 1
    fi
}
