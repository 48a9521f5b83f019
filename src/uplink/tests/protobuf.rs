//! What each kind of value becomes (design 3.3), and what a mapping does to it.

use super::harness::{Harness, check, mapping, proto3};
use crate::{
    model::{Cause, LineDialect},
    uplink::Limits,
};

#[test]
fn every_scalar_has_its_type_in_the_line() {
    let proto = proto3(
        "enum E { ZERO = 0; ONE = 1; }
         message M {
           double a = 1; float b = 2; int32 c = 3; int64 d = 4; uint32 e = 5; uint64 f = 6;
           sint32 g = 7; sint64 h = 8; fixed32 i = 9; fixed64 j = 10; sfixed32 k = 11;
           sfixed64 l = 12; bool m = 13; string n = 14; bytes o = 15; E p = 16;
         }",
    );
    check(
        &proto,
        "",
        r#"{"a": 1e21, "b": 63.4, "c": -5, "d": "-9223372036854775808", "e": 4294967295,
            "f": "18446744073709551615", "g": -7, "h": "-8", "i": 9, "j": "10", "k": -11,
            "l": "-12", "m": true, "n": "a\"b\\c\nd", "o": "AAEC/w==", "p": 1}"#,
        "m a=1e+21,b=63.4,c=-5i,d=-9223372036854775808i,e=4294967295i,f=18446744073709551615u,\
         g=-7i,h=-8i,i=9i,j=10u,k=-11i,l=-12i,m=t,n=\"a\\\"b\\\\c\nd\",o=\"AAEC/w==\",p=\"ONE\"\n",
    );
    // Absent and without presence: the default is the value.
    check(
        &proto,
        "",
        "{}",
        "m a=0.0,b=0.0,c=0i,d=0i,e=0i,f=0u,g=0i,h=0i,i=0i,j=0u,k=0i,l=0i,m=f,n=\"\",o=\"\",\
         p=\"ZERO\"\n",
    );
}
