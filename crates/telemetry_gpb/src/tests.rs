mod cisco;
mod gnmi;
mod huawei;
mod properties;
