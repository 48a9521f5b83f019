#!/bin/sh
# Certificates as guides on the web make them. Expect for each: works, or an error at start or at the handshake that says what is wrong with which file.
set -eu
d=${1:?directory}; mkdir -p "$d"; cd "$d"
k() { openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.key" 2>/dev/null; }
k ca; openssl req -new -x509 -key ca.key -sha256 -days 3650 -subj "/CN=Fleet CA" -out ca.crt
# 1. X.509 version 1 (no extensions): `openssl x509 -req` without -extfile
k v1; openssl req -new -key v1.key -subj "/CN=localhost" | openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -sha256 -out v1.crt
# 2. self-signed and a CA at once, used as the server's own certificate
k self; openssl req -x509 -key self.key -sha256 -days 365 -subj "/CN=192.168.2.30" -out self.crt
# 3. no subject alternative name, only CN
echo basicConstraints=CA:FALSE > cn.ext
k cn; openssl req -new -key cn.key -subj "/CN=localhost" | openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -sha256 -extfile cn.ext -out cn.crt
# 4. client certificate of 1024 bits, 5. SHA-1 signature, 6. expired, 7. not yet valid (a vehicle's clock), 8. chain in the wrong order, 9. key in PKCS#1, in PKCS#8, encrypted, EC with parameters first
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key 2>/dev/null
openssl req -new -key weak.key -subj "/CN=VIN1" | openssl x509 -req -CA ca.crt -CAkey ca.key -days 365 -sha1 -out weak.crt
openssl ecparam -name prime256v1 -genkey -out ec-with-params.key
openssl rsa -in v1.key -traditional -out pkcs1.key 2>/dev/null
openssl rsa -in v1.key -aes256 -passout pass:x -out encrypted.key 2>/dev/null
ls
