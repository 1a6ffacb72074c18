use std::time::Instant;
fn main() {
    let which = std::env::args().nth(1).unwrap();
    let n: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let stack: usize = std::env::args().nth(3).unwrap().parse().unwrap();
    let text = match which.as_str() {
        "or" => (0..n)
            .map(|i| format!("host 10.{}.{}.{}", i >> 16, i >> 8 & 255, i & 255))
            .collect::<Vec<_>>()
            .join(" or "),
        "mix" => (0..n)
            .map(|i| format!("(src net 10.{}.{}.0/24 and dst port {})", i >> 8 & 255, i & 255, i % 60000))
            .collect::<Vec<_>>()
            .join(" or "),
        "paren" => "(".repeat(n) + "tcp" + &")".repeat(n),
        "not" => "not ".repeat(n) + "tcp",
        "and" => (0..n).map(|i| format!("not src port {}", i % 65536)).collect::<Vec<_>>().join(" and "),
        "arith" => "ip[0]".to_owned() + &"+(ip[1]".repeat(n) + &")".repeat(n) + " = 5",
        "vlan" => "vlan and ".repeat(n) + "tcp",
        "long" => "tcp or ".repeat(n) + "tcp",
        _ => panic!(),
    };
    let len = text.len();
    std::thread::Builder::new()
        .stack_size(stack << 10)
        .spawn(move || {
            let t = Instant::now();
            let f = filter::Filter::compile(&text);
            let e = t.elapsed();
            println!(
                "{which} {n} len {len}: {e:?} {}",
                match &f {
                    Ok(_) => "ok".to_owned(),
                    Err(e) => e.to_string().chars().take(100).collect(),
                }
            );
        })
        .unwrap()
        .join()
        .unwrap();
}
