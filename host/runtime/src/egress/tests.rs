//! The policy, address by address and name by name.

use proptest::prelude::*;

use super::*;

/// Answers what it is told, whatever the name.
#[derive(Debug)]
struct Says(Vec<IpAddr>);

#[async_trait]
impl Resolver for Says {
    async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

fn says(addresses: &[&str]) -> Says {
    Says(
        addresses
            .iter()
            .map(|a| a.parse().expect("an address"))
            .collect(),
    )
}

fn judged(text: &str, reach: Reach) -> Result<(), Refused> {
    decide(text.parse().expect("an address"), reach)
}

#[test]
fn link_local_and_metadata_are_refused_whoever_asks() {
    for address in [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "168.63.129.16",
        "100.100.100.200",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "2001:0:0102:0304:0:0:5601:5601",
        "2001:db8::5efe:169.254.169.254",
        "2001:db8::200:5efe:169.254.169.254",
    ] {
        assert_eq!(
            judged(address, Reach::Private),
            Err(Refused::LinkLocal),
            "{address}"
        );
    }
}

#[test]
fn what_is_not_one_machine_is_refused() {
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "ff02::1",
        "100::1",
    ] {
        assert_eq!(
            judged(address, Reach::Private),
            Err(Refused::NotAHost),
            "{address}"
        );
    }
}

#[test]
fn private_ranges_need_a_target_that_may() {
    for address in [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.0.8",
        "::1",
        "fd12::1",
        "fec0::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::1",
        "64:ff9b::10.0.0.1",
    ] {
        assert_eq!(judged(address, Reach::Private), Ok(()), "{address}");
        assert_eq!(
            judged(address, Reach::Public),
            Err(Refused::Private),
            "{address}"
        );
    }
    for address in [
        "192.0.2.10",
        "8.8.8.8",
        "2606:4700::1111",
        "64:ff9b::8.8.8.8",
    ] {
        assert_eq!(judged(address, Reach::Public), Ok(()), "{address}");
    }
}

#[tokio::test]
async fn numbers_in_other_spellings_are_no_hosts() {
    let nobody = says(&["192.0.2.1"]);
    for host in [
        "0x7f.1",
        "0x7f000001",
        "0X7F000001",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "1.2.3.4.5",
        "fe80::1%eth0",
        "[::1%1]",
        "a.0x",
    ] {
        assert_eq!(
            vet(host, Reach::Private, &nobody).await,
            Err(Refused::Spelling.into()),
            "{host}"
        );
    }
    assert!(vet("[::1]", Reach::Private, &nobody).await.is_ok());
    assert!(
        vet("7eleven.example", Reach::Private, &nobody)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn localhost_is_this_machine_whatever_the_resolver_says() {
    let liar = says(&["192.0.2.1"]);
    for host in ["localhost", "LocalHost.", "db.localhost"] {
        let vetted = vet(host, Reach::Private, &liar).await.expect("loopback");
        assert!(vetted.is_loopback(), "{host}");
        assert_eq!(
            vet(host, Reach::Public, &liar).await,
            Err(Refused::Private.into())
        );
    }
}

#[tokio::test]
async fn a_name_that_is_public_and_private_at_once_is_refused_to_public_targets() {
    let mixed = says(&["192.0.2.1", "10.0.0.1"]);
    assert_eq!(
        vet("h.example", Reach::Public, &mixed).await,
        Err(Refused::Private.into())
    );
    assert!(vet("h.example", Reach::Private, &mixed).await.is_ok());
    // A machine's own name often has its link-local address beside the real one.
    let own = says(&["fe80::1", "10.0.0.1"]);
    let good = Vetted(vec!["10.0.0.1".parse().expect("an address")]);
    assert_eq!(vet("h.example", Reach::Private, &own).await, Ok(good));
    let metadata = says(&["169.254.169.254"]);
    assert_eq!(
        vet("h.example", Reach::Private, &metadata).await,
        Err(Refused::LinkLocal.into())
    );
    assert_eq!(
        vet("h.example", Reach::Private, &says(&[])).await,
        Err(Unreached::Resolve)
    );
}

proptest! {
    #[test]
    fn an_ipv4_address_in_another_dress_is_no_better_off(bits: u32, prefix: [u16; 4], mode in 0..6_u8) {
        let v4 = Ipv4Addr::from(bits);
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let mut p = prefix;
        p[0] = 0x2600 | p[0] & 0xff;
        let dressed = match mode {
            0 => v4.to_ipv6_mapped(),
            1 => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            2 => Ipv6Addr::new(0x2002, high, low, p[1], 0, 0, 0, 1),
            3 => Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, 0, !high, !low),
            4 => Ipv6Addr::new(p[0], p[1], p[2], p[3], 0x200, 0x5efe, high, low),
            _ => Ipv6Addr::new(0x64, 0xff9b, 1, p[1], p[2], p[3], high, low),
        };
        for reach in [Reach::Public, Reach::Private] {
            if let Err(why) = decide(v4.into(), reach) {
                prop_assert_eq!(decide(dressed.into(), reach), Err(why), "{}", dressed);
            }
        }
    }
}
