# Makes two small CAs (one of them for staging) and their certificates below /etc/ssl/klinikum; the CAs' keys are not kept.
set -e
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
top=/etc/ssl/klinikum
rm -rf $top
install -d -m 755 $top $top/live $top/labor
install -d -m 755 $top/archive

when() { date -u -d "$1" +%Y%m%d%H%M%SZ; }
new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2> /dev/null; }

# issue CA NAME SUBJECT FROM UNTIL EXTENSIONS: $work/NAME.pem and .key, signed by $work/CA.pem
issue() {
  [ -e "$work/index.$1" ] || { : > "$work/index.$1"; openssl rand -hex 8 > "$work/serial.$1"; }
  cat > "$work/ca.cnf" << CONFIG
[ca]
default_ca = own
[own]
database = $work/index.$1
new_certs_dir = $work
serial = $work/serial.$1
default_md = sha256
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[extensions]
$6
CONFIG
  new_key "$work/$2.key"
  openssl req -new -key "$work/$2.key" -subj "$3" -out "$work/$2.csr"
  openssl ca -batch -notext -config "$work/ca.cnf" -cert "$work/$1.pem" -keyfile "$work/$1.key" -extensions extensions \
    -in "$work/$2.csr" -out "$work/$2.pem" -startdate "$(when "$4")" -enddate "$(when "$5")" 2> "$work/said" || { cat "$work/said"; exit 1; }
}

# keep NAME CHAIN NUMBER: into the archive
keep() {
  cp "$work/$1.pem" $top/archive/cert$3.pem
  cp "$work/$2.pem" $top/archive/chain$3.pem
  cat "$work/$1.pem" "$work/$2.pem" > $top/archive/fullchain$3.pem
  cp "$work/$1.key" $top/archive/privkey$3.pem
}

authority='basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign'
server() { printf 'basicConstraints = CA:FALSE\nextendedKeyUsage = serverAuth\nsubjectAltName = DNS:%s\n' "$1"; }

for ca in root staging-root; do new_key "$work/$ca.key"; done
openssl req -x509 -new -key "$work/root.key" -days 3650 -subj '/O=Klinikum Ost/CN=Klinikum Ost Root CA' -out "$work/root.pem"
openssl req -x509 -new -key "$work/staging-root.key" -days 3650 -subj '/O=Nordtrust/CN=Nordtrust Staging Root' -out "$work/staging-root.pem"
issue root server-ca '/O=Klinikum Ost/CN=Klinikum Ost Server CA' '-700 days' '+1800 days' "$authority"
issue staging-root staging-ca '/O=Nordtrust/CN=Nordtrust Staging R4' '-100 days' '+900 days' "$authority"

site=termine.klinikum-ost.example
issue server-ca old "/O=Klinikum Ost/CN=$site" '-366 days' '-5 hours' "$(server $site)"
issue server-ca renewed "/O=Klinikum Ost/CN=$site" '-2 days' '+363 days' "$(server $site)"
issue staging-ca tried "/CN=$site" '-2 days' '+88 days' "$(server $site)"
issue server-ca labor '/O=Klinikum Ost/CN=labor.klinikum-ost.example' '-90 days' '+275 days' "$(server labor.klinikum-ost.example)"

keep old server-ca 1
keep renewed server-ca 2
keep tried staging-ca 3
cat "$work/labor.pem" "$work/server-ca.pem" > $top/labor/fullchain.pem
cp "$work/labor.key" $top/labor/privkey.pem
cp "$work/root.pem" $top/root-ca.pem
install -m 644 "$work/root.pem" /usr/local/share/ca-certificates/klinikum-ost-root.crt
chmod 644 $top/root-ca.pem $top/labor/fullchain.pem $top/archive/cert?.pem $top/archive/chain?.pem $top/archive/fullchain?.pem
touch -d '-366 days' $top/archive/*1.pem
touch -d '-2 days' $top/archive/*2.pem
touch -d '-47 hours' $top/archive/*3.pem
for part in cert chain fullchain privkey; do ln -s ../archive/${part}2.pem $top/live/$part.pem; done
