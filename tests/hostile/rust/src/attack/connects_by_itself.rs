//! Connects past the named targets, by TCP, by UDP, and by every way to spell an address.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut said = String::new();
    for address in [
        "127.0.0.1:22",
        "[::1]:22",
        "[::ffff:127.0.0.1]:22",
        "[::ffff:169.254.169.254]:80",
        "169.254.169.254:80",
        "0.0.0.0:80",
        "localhost:80",
    ] {
        said.push_str(&tried("tcp", std::net::TcpStream::connect(address)));
    }
    said.push_str(&tried("udp", std::net::UdpSocket::bind("0.0.0.0:0")));
    said.push_str(&tried("listen", std::net::TcpListener::bind("127.0.0.1:0")));
    Ok(Answer::Said(said))
}
